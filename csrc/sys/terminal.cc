#include "terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>

#include "io.h"
#include "syscalls.h"

#ifndef TIOCGPTPEER
#define TIOCGPTPEER 0x5441
#endif

namespace vaina {
namespace {

constexpr unsigned kPtmxMajor = 5, kPtmxMinor = 2;

}  // namespace

Status open_terminal(int ptmx, uint16_t rows, uint16_t columns, UniqueFd* slave) {
  struct stat info;
  struct statfs file_system;
  if (fstat(ptmx, &info) != 0 || fstatfs(ptmx, &file_system) != 0) return failed("open terminal");
  if (!S_ISCHR(info.st_mode) || info.st_rdev != makedev(kPtmxMajor, kPtmxMinor) ||
      static_cast<long>(file_system.f_type) != kDevptsMagic) {
    return failed_with(ENODEV, "open terminal");
  }
  int unlocked = 0;
  if (ioctl(ptmx, TIOCSPTLCK, &unlocked) != 0) return failed("unlock terminal");
  *slave = UniqueFd(ioctl(ptmx, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!slave->ok()) return failed("open terminal");
  if (rows != 0 || columns != 0) {
    winsize size{rows, columns, 0, 0};
    if (ioctl(slave->get(), TIOCSWINSZ, &size) != 0) return failed("set terminal size");
  }
  return fine();
}

Status take_terminal(int slave) {
  if (ioctl(slave, TIOCSCTTY, 0) != 0) return failed("take terminal");
  for (int fd = 0; fd <= 2; fd++) {
    if (dup2(slave, fd) < 0) return failed("take terminal");
  }
  return fine();
}

Status send_descriptor(int socket, int fd) {
  char byte = 0;
  iovec part{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(header), &fd, sizeof fd);
  return retry([&] { return sendmsg(socket, &message, MSG_NOSIGNAL); }) == 1 ? fine()
                                                                             : failed("send terminal");
}

UniqueFd receive_descriptor(int socket) {
  char byte;
  iovec part{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  if (retry([&] { return recvmsg(socket, &message, MSG_CMSG_CLOEXEC); }) != 1) return UniqueFd();
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header == nullptr || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS ||
      header->cmsg_len != CMSG_LEN(sizeof(int))) {
    return UniqueFd();
  }
  int fd;
  memcpy(&fd, CMSG_DATA(header), sizeof fd);
  return UniqueFd(fd);
}

}  // namespace vaina
