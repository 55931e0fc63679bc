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

bool get_message(const Info& info, int index, Bytes* message) {
  if (!get_bytes(info, index, "message", message)) return false;
  if (message->size == 0) Nan::ThrowTypeError("message must not be empty");
  return message->size != 0;
}

// send(fd, message, fds)
NAN_METHOD(Send) {
  int fd;
  Bytes message;
  int fds[kMaxFds];
  uint32_t count;
  if (!get_fd(info, 0, "fd", &fd) || !get_message(info, 1, &message) || !get_fds(info, 2, fds, &count))
    return;
  if (!send_message(fd, message, fds, count)) throw_errno(errno, "sendmsg");
}

}  // namespace

bool send_message(int fd, const Bytes& message, const int* fds, uint32_t count) {
  alignas(struct cmsghdr) char control[CMSG_SPACE(kMaxFds * sizeof(int))] = {};
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
      if (poll(&writable, 1, kSendMilliseconds) != 0) continue;
      errno = ETIMEDOUT;
      return false;
    } else if (errno != EINTR) {
      return false;
    }
  }
  return true;
}

void register_control(v8::Local<v8::Object> exports) {
  Nan::SetMethod(exports, "connect", Connect);
  Nan::SetMethod(exports, "send", Send);
}

}  // namespace vaina
