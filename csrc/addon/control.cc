// The control socket and the descriptors that travel on it.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "addon.h"

namespace vaina {
namespace {

constexpr uint32_t kMaxFds = 8;
constexpr int kConnectSeconds = 5;
constexpr int kSendMilliseconds = 1000;

// connect(runDir): fd
NAN_METHOD(Connect) {
  std::string directory;
  if (!get_string(info, 0, "runDir", &directory)) return;
  UniqueFd parent(open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (parent.get() < 0) return throw_errno(errno, "open", directory.c_str());
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (fd.get() < 0) return throw_errno(errno, "socket");
  // A connect blocks while the backlog is full: bounded, in case the monitor was stopped by a signal.
  struct timeval limit = {kConnectSeconds, 0};
  setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  // The path itself may be longer than sun_path.
  struct sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/ctl.sock", parent.get());
  int result;
  do {
    result = connect(fd.get(), reinterpret_cast<struct sockaddr*>(&address), sizeof address);
  } while (result != 0 && errno == EINTR);
  if (result != 0) return throw_errno(errno, "connect", (directory + "/ctl.sock").c_str());
  int flags = fcntl(fd.get(), F_GETFL);
  if (flags < 0 || fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK) != 0) return throw_errno(errno, "fcntl");
  info.GetReturnValue().Set(fd.release());
}

bool get_fds(const Info& info, int index, int (&fds)[kMaxFds], uint32_t* count) {
  bool valid = info[index]->IsArray() && info[index].As<v8::Array>()->Length() <= kMaxFds;
  *count = valid ? info[index].As<v8::Array>()->Length() : 0;
  for (uint32_t i = 0; valid && i < *count; i++) {
    v8::Local<v8::Value> value;
    valid = Nan::Get(info[index].As<v8::Array>(), i).ToLocal(&value) && to_fd(value, false, &fds[i]);
  }
  if (!valid) Nan::ThrowTypeError("fds must be an array of at most eight file descriptors");
  return valid;
}

// send(fd, message, fds)
NAN_METHOD(Send) {
  int fd;
  Bytes message;
  int fds[kMaxFds];
  uint32_t count;
  if (!get_fd(info, 0, "fd", &fd) || !get_bytes(info, 1, "message", &message) ||
      !get_fds(info, 2, fds, &count))
    return;
  if (message.size == 0) return Nan::ThrowTypeError("message must not be empty");
  alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof fds)] = {};
  struct iovec part = {const_cast<uint8_t*>(message.data), message.size};
  struct msghdr header = {};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  if (count > 0) {
    header.msg_control = control;
    header.msg_controllen = CMSG_SPACE(count * sizeof(int));
    struct cmsghdr* rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(rights), fds, count * sizeof(int));
  }
  bool started = false;
  while (part.iov_len > 0) {
    ssize_t sent = sendmsg(fd, &header, MSG_NOSIGNAL);
    if (sent >= 0) {
      started = true;
      header.msg_control = nullptr;
      header.msg_controllen = 0;
      part.iov_base = static_cast<char*>(part.iov_base) + sent;
      part.iov_len -= static_cast<size_t>(sent);
    } else if (errno == EAGAIN && started) {
      // The rest has to follow at once, or the stream is broken.
      struct pollfd writable = {fd, POLLOUT, 0};
      if (poll(&writable, 1, kSendMilliseconds) == 0) return throw_errno(ETIMEDOUT, "sendmsg");
    } else if (errno != EINTR) {
      return throw_errno(errno, "sendmsg");
    }
  }
}

// sealedMemfd(name, bytes): fd
NAN_METHOD(MakeSealedMemfd) {
  std::string name;
  Bytes bytes;
  if (!get_string(info, 0, "name", &name) || !get_bytes(info, 1, "bytes", &bytes)) return;
  const char* syscall = nullptr;
  int fd = sealed_memfd(name.c_str(), bytes.data, bytes.size, Executable::kNo, &syscall);
  if (fd < 0) return throw_errno(errno, syscall);
  info.GetReturnValue().Set(fd);
}

// pipe(): [read, write]
NAN_METHOD(Pipe) {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) != 0) return throw_errno(errno, "pipe2");
  v8::Local<v8::Array> result = Nan::New<v8::Array>(2);
  Nan::Set(result, 0, Nan::New(fds[0]));
  Nan::Set(result, 1, Nan::New(fds[1]));
  info.GetReturnValue().Set(result);
}

// close(fd)
NAN_METHOD(Close) {
  int fd;
  if (!get_fd(info, 0, "fd", &fd)) return;
  // After EINTR the descriptor is closed all the same.
  if (close(fd) != 0 && errno != EINTR) throw_errno(errno, "close");
}

}  // namespace

void register_control(v8::Local<v8::Object> exports) {
  Nan::SetMethod(exports, "connect", Connect);
  Nan::SetMethod(exports, "send", Send);
  Nan::SetMethod(exports, "sealedMemfd", MakeSealedMemfd);
  Nan::SetMethod(exports, "pipe", Pipe);
  Nan::SetMethod(exports, "close", Close);
}

}  // namespace vaina
