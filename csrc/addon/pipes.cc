// Pipes, and what is left in them.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "addon.h"

namespace vaina {
namespace {

constexpr uint32_t kMaxPipes = 3;

// pipes(count): [read, write, read, write, ...]
NAN_METHOD(Pipes) {
  uint32_t count;
  if (!get_uint32(info, 0, "count", &count)) return;
  if (count > kMaxPipes) return Nan::ThrowTypeError("count must be at most three");
  UniqueFd ends[2 * kMaxPipes];
  for (uint32_t i = 0; i < count; i++) {
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) != 0) return throw_errno(errno, "pipe2");
    ends[2 * i].reset(fds[0]);
    ends[2 * i + 1].reset(fds[1]);
  }
  v8::Local<v8::Array> result = Nan::New<v8::Array>(static_cast<int>(2 * count));
  for (uint32_t i = 0; i < 2 * count; i++) Nan::Set(result, i, Nan::New(ends[i].release()));
  info.GetReturnValue().Set(result);
}

// False with errno set.
bool read_all(int pipe, char* bytes, size_t size) {
  for (size_t done = 0; done < size;) {
    ssize_t count = read(pipe, bytes + done, size - done);
    if (count < 0 && errno == EINTR) continue;
    if (count == 0) errno = EIO;
    if (count <= 0) return false;
    done += static_cast<size_t>(count);
  }
  return true;
}

// takeClosedPipes(fds): (Buffer | null)[] | undefined
NAN_METHOD(TakeClosedPipes) {
  int fds[kMaxFds];
  uint32_t count;
  if (!get_fds(info, 0, fds, &count)) return;
  struct pollfd ends[kMaxFds];
  for (uint32_t i = 0; i < count; i++) ends[i] = {fds[i], POLLIN, 0};
  if (poll(ends, count, 0) < 0) return throw_errno(errno, "poll");
  for (uint32_t i = 0; i < count; i++) {
    if ((ends[i].revents & POLLHUP) == 0) return;
  }
  v8::Local<v8::Array> result = Nan::New<v8::Array>(static_cast<int>(count));
  for (uint32_t i = 0; i < count; i++) {
    Nan::Set(result, i, Nan::Null());
    if ((ends[i].revents & POLLIN) == 0) continue;
    int held = 0;
    v8::Local<v8::Object> buffer;
    if (ioctl(fds[i], FIONREAD, &held) != 0) return throw_errno(errno, "ioctl");
    if (!Nan::NewBuffer(static_cast<uint32_t>(held)).ToLocal(&buffer)) return;
    if (!read_all(fds[i], node::Buffer::Data(buffer), static_cast<size_t>(held)))
      return throw_errno(errno, "read");
    Nan::Set(result, i, buffer);
  }
  for (uint32_t i = 0; i < count; i++) close(fds[i]);
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

void register_pipes(v8::Local<v8::Object> exports) {
  Nan::SetMethod(exports, "pipes", Pipes);
  Nan::SetMethod(exports, "takeClosedPipes", TakeClosedPipes);
  Nan::SetMethod(exports, "close", Close);
}

}  // namespace vaina
