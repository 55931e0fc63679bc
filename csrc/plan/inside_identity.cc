#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../sys/capabilities.h"
#include "../sys/memory.h"
#include "../sys/syscalls.h"
#include "inside.h"

namespace vaina {
namespace {

constexpr uint64_t kLastId = 0xfffffffeu;  // all ones means "leave as it is" to the kernel
constexpr uint32_t kMaxGroups = 65536;
constexpr int kLastSignal = 64;

// Lets the user open /dev/stdout and its like again: anonymous pipes, and a terminal of the container, become
// its own. What the caller handed in from elsewhere (a file, its own terminal) stays as it is.
void give_stdio(uid_t uid, bool own_terminal) {
  for (int fd = 0; fd <= 2; fd++) {
    struct stat info;
    struct statfs file_system;
    if (fstat(fd, &info) != 0 || info.st_uid == uid) continue;
    bool pipe = S_ISFIFO(info.st_mode) && fstatfs(fd, &file_system) == 0 &&
                static_cast<long>(file_system.f_type) == kPipefsMagic;
    // A refusal leaves it usable by its descriptor, as it was.
    if ((pipe || own_terminal) && fchown(fd, uid, static_cast<gid_t>(-1)) != 0) continue;
  }
}

Status set_groups(const Step& step, const Inside& inside, gid_t gid) {
  uint32_t extra = step.count() - 2;
  if (extra >= kMaxGroups) return failed_with(E2BIG, "set groups");
  Memory<gid_t> memory(extra + 1);
  if (!memory.ok()) return failed("set groups");
  gid_t* groups = memory.get();
  uint32_t count = 0;
  groups[count++] = gid;
  for (uint32_t i = 0; i < extra; i++) {
    uint64_t group = step.num(2 + i);
    if (group > kLastId) return failed_with(EINVAL, "set groups");
    if (group != gid) groups[count++] = static_cast<gid_t>(group);
  }
  if (syscall(SYS_setgroups, count, groups) == 0) return fine();
  // A namespace of a single id has no setgroups(2); nothing is lost as long as there are none to set.
  bool denied = errno == EPERM && (inside.plan->has(Op::kSetgroupsDeny) || inside.joined);
  return denied && count == 1 ? fine() : failed("set groups");
}

Status become_user(const Step& step, const Inside& inside) {
  if (step.num(0) > kLastId || step.num(1) > kLastId) return failed_with(EINVAL, "set user");
  uid_t uid = static_cast<uid_t>(step.num(0));
  gid_t gid = static_cast<gid_t>(step.num(1));
  if (uid != 0) give_stdio(uid, inside.own_terminal);
  Status status = set_groups(step, inside, gid);
  if (!status.ok()) return status;
  if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0) return failed("keep capabilities");
  if (syscall(SYS_setresgid, gid, gid, gid) != 0) return failed("set group");
  if (syscall(SYS_setresuid, uid, uid, uid) != 0) return failed("set user");
  if (uid == 0) return fine();
  // Kept are the permitted ones only; later steps need their effect.
  Capabilities sets;
  status = get_capabilities(&sets);
  if (!status.ok()) return status;
  sets.effective = sets.permitted;
  return set_capabilities(sets);
}

Status become_capable(const Step& step) {
  Status status = set_capabilities(Capabilities{step.num(0), step.num(1), step.num(2)});
  return status.ok() ? set_ambient(step.num(3)) : status;
}

Status filter_calls(const Step& step, Inside* inside) {
  Bytes program = step.bytes(1);
  if (program.size == 0 || program.size % sizeof(sock_filter) != 0 ||
      program.size / sizeof(sock_filter) > BPF_MAXINSNS) {
    return failed_with(EINVAL, "set system call filter");
  }
  Status status = seal_descriptors(inside);
  if (!status.ok()) return status;
  // The kernel copies the instructions; it does not mind where they lie.
  struct {
    unsigned short length;
    const void* filter;
  } filter{static_cast<unsigned short>(program.size / sizeof(sock_filter)), program.data};
  static_assert(sizeof filter == sizeof(sock_fprog), "as the kernel has it");
  return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, static_cast<unsigned>(step.num(0)), &filter) == 0
             ? fine()
             : failed("set system call filter");
}

Status follow_parent(const Step& step, Inside* inside) {
  if (step.num(0) == 0 || step.num(0) > kLastSignal) return failed_with(EINVAL, "set parent death signal");
  inside->death_signal = static_cast<int>(step.num(0));
  if (prctl(PR_SET_PDEATHSIG, inside->death_signal, 0, 0, 0) != 0) return failed("set parent death signal");
  // It may have died before: then nobody reads our reports any more.
  pollfd report{inside->report, 0, 0};
  if (poll(&report, 1, 0) > 0 && (report.revents & POLLERR) != 0) _exit(128 + SIGKILL);
  return fine();
}

}  // namespace

Status run_identity_step(const Step& step, Inside* inside) {
  switch (step.op()) {
    case Op::kUmask:
      inside->umask = static_cast<uint32_t>(step.num(0)) & 0777;
      return fine();
    case Op::kBounding:
      return limit_bounding_set(step.num(0));
    case Op::kUser:
      return become_user(step, *inside);
    case Op::kCapabilities:
      return become_capable(step);
    case Op::kNoNewPrivileges:
      return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 ? fine() : failed("set no new privileges");
    case Op::kSeccomp:
      return filter_calls(step, inside);
    default:
      return follow_parent(step, inside);
  }
}

}  // namespace vaina
