#include "stdio_fd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "../sys/io.h"

namespace vaina {
namespace {

constexpr unsigned kNullMajor = 1, kNullMinor = 3;

bool is_ready(int fd, short event) {
  pollfd question{fd, event, 0};
  return retry([&] { return poll(&question, 1, 0); }) > 0;
}

}  // namespace

StdioFd StdioFd::adopt(UniqueFd fd, Use use) {
  StdioFd result;
  struct stat info;
  if (!fd.ok() || fstat(fd.get(), &info) != 0) return result;
  if (S_ISCHR(info.st_mode) && info.st_rdev == makedev(kNullMajor, kNullMinor)) return result;
  if (S_ISSOCK(info.st_mode)) {
    result.kind_ = Kind::kSocket;
  } else if (S_ISFIFO(info.st_mode) || S_ISCHR(info.st_mode)) {
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd.get());
    int access = use == Use::kRead ? O_RDONLY : O_WRONLY;
    UniqueFd own(open(path, access | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
    result.kind_ = own.ok() ? Kind::kOwn : Kind::kShared;
    if (own.ok()) fd = take(own);
  }
  result.fd_ = take(fd);
  return result;
}

ssize_t StdioFd::read(void* data, size_t size) {
  if (kind_ == Kind::kSocket) return retry([&] { return recv(get(), data, size, MSG_DONTWAIT); });
  if (kind_ == Kind::kShared && !is_ready(get(), POLLIN)) {
    errno = EAGAIN;
    return -1;
  }
  return retry([&] { return ::read(get(), data, size); });
}

ssize_t StdioFd::write(const void* data, size_t size) {
  if (kind_ == Kind::kSocket)
    return retry([&] { return send(get(), data, size, MSG_DONTWAIT | MSG_NOSIGNAL); });
  if (kind_ == Kind::kShared) {
    if (!is_ready(get(), POLLOUT)) {
      errno = EAGAIN;
      return -1;
    }
    // A pipe that is ready takes this much at least.
    if (size > PIPE_BUF) size = PIPE_BUF;
  }
  return retry([&] { return ::write(get(), data, size); });
}

}  // namespace vaina
