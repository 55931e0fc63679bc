#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../sys/io.h"
#include "../sys/process.h"
#include "../sys/rooted.h"
#include "../sys/syscalls.h"
#include "inside.h"

namespace vaina {
namespace {

constexpr int kJoinSessionKeyring = 1;  // KEYCTL_JOIN_SESSION_KEYRING
constexpr ino_t kProcRootInode = 1;

// The kernel's struct rlimit64.
struct Limit {
  uint64_t soft, hard;
};

// A descriptor of a procfs that nothing is mounted over: the one that a step mounted, else the one of the
// root when it really is one.
Status open_proc(Inside* inside, UniqueFd* opened, int* out) {
  if (inside->proc.ok()) {
    *out = inside->proc.get();
    return fine();
  }
  // Before there is a root of our own, this is the host's.
  *opened = UniqueFd(open("/proc", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  struct statfs file_system;
  struct stat info;
  if (!opened->ok() || fstatfs(opened->get(), &file_system) != 0 || fstat(opened->get(), &info) != 0) {
    return failed("open", "/proc");
  }
  *out = opened->get();
  bool real = static_cast<long>(file_system.f_type) == kProcMagic && info.st_ino == kProcRootInode;
  return real ? fine() : failed_with(ENODEV, "open", "/proc");
}

bool plain_name(const char* name) {
  for (const char* c = name; *c != '\0'; c++) {
    bool plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') ||
                 strchr("_./-:@", *c) != nullptr;
    if (!plain) return false;
  }
  return name[0] != '\0' && name[0] != '/';
}

Status set_sysctl(const Step& step, Inside* inside) {
  const char *what = "set sysctl", *name = step.str(0), *value = step.str(1);
  if (!plain_name(name) || strchr(value, '\n') != nullptr) return failed_with(EINVAL, what, name);
  int sys = inside->proc_sys.get();
  UniqueFd proc, opened;
  if (!inside->proc_sys.ok()) {
    int fd = -1;
    Status status = open_proc(inside, &proc, &fd);
    if (!status.ok()) return status;
    opened = UniqueFd(openat(fd, "sys", O_PATH | O_DIRECTORY | O_CLOEXEC));
    sys = opened.get();
  }
  OpenHow how{O_WRONLY | O_CLOEXEC, 0,
              kResolveBeneath | kResolveNoSymlinks | kResolveNoMagiclinks | kResolveNoXdev};
  UniqueFd fd(sys_openat2(sys, name, how));
  struct statfs file_system;
  if (!fd.ok() || fstatfs(fd.get(), &file_system) != 0) return failed(what, name);
  if (static_cast<long>(file_system.f_type) != kProcMagic) return failed_with(ENODEV, what, name);
  return write_whole(fd.get(), value, step.bytes(1).size) ? fine() : failed_with(errno, what, name, value);
}

Status set_limit(const Step& step) {
  Limit limit{step.num(1), step.num(2)};
  if (step.num(0) > INT_MAX) return failed_with(EINVAL, "set resource limit");
  return syscall(SYS_prlimit64, 0, static_cast<int>(step.num(0)), &limit, nullptr) == 0
             ? fine()
             : failed("set resource limit");
}

Status set_oom_score(const Step& step, Inside* inside) {
  if (inside->joined) return fine();  // inherited: see spawn.cc
  const char *what = "write", *file = "oom_score_adj", *value = step.str(0);
  UniqueFd opened;
  int proc = -1;
  Status status = open_proc(inside, &opened, &proc);
  if (!status.ok()) return status;
  const char* path = "self/oom_score_adj";
  UniqueFd fd(openat(proc, path, O_WRONLY | O_CLOEXEC));
  if (!fd.ok() && errno == EACCES) {
    // The files of who is not dumpable are root's. Nobody else lives in this user namespace yet who could
    // look.
    set_dumpable(true);
    fd = UniqueFd(openat(proc, path, O_WRONLY | O_CLOEXEC));
    set_dumpable(false);
  }
  if (!fd.ok()) return failed(what, file);
  return write_whole(fd.get(), value, step.bytes(0).size) ? fine() : failed_with(errno, what, file, value);
}

Status bring_up(const char* name) {
  const char* what = "bring up";
  size_t length = strlen(name);
  ifreq request{};
  if (length >= sizeof request.ifr_name) return failed_with(ENAMETOOLONG, what, name);
  memcpy(request.ifr_name, name, length);
  UniqueFd socket_fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket_fd.ok() || ioctl(socket_fd.get(), SIOCGIFFLAGS, &request) != 0) return failed(what, name);
  request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
  return ioctl(socket_fd.get(), SIOCSIFFLAGS, &request) == 0 ? fine() : failed(what, name);
}

}  // namespace

Status run_kernel_step(const Step& step, Inside* inside) {
  switch (step.op()) {
    case Op::kHostname:
      return sethostname(step.str(0), step.bytes(0).size) == 0 ? fine() : failed("set hostname", step.str(0));
    case Op::kDomainname:
      return setdomainname(step.str(0), step.bytes(0).size) == 0 ? fine()
                                                                 : failed("set domain name", step.str(0));
    case Op::kSysctl:
      return set_sysctl(step, inside);
    case Op::kRlimit:
      return set_limit(step);
    case Op::kOomScoreAdj:
      return set_oom_score(step, inside);
    case Op::kLinkUp:
      return bring_up(step.str(0));
    default:
      return syscall(SYS_keyctl, kJoinSessionKeyring, step.str(0), 0, 0, 0) >= 0
                 ? fine()
                 : failed("join session keyring", step.str(0));
  }
}

}  // namespace vaina
