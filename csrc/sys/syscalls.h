#pragma once

// System calls that the C library lacks, and constants of the kernel's interface. The numbers above 423 are
// the same on every architecture. Constants are our own, as <sys/mount.h> and <linux/mount.h> cannot be
// mixed.

#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

namespace vaina {

constexpr int kAtEmptyPath = 0x1000;
constexpr int kAtRecursive = 0x8000;

// open_tree(2), fsopen(2), fsmount(2), move_mount(2)
constexpr unsigned kOpenTreeClone = 1;
constexpr unsigned kOpenTreeCloexec = 02000000;
constexpr unsigned kFsopenCloexec = 1;
constexpr unsigned kFsmountCloexec = 1;
constexpr unsigned kMoveMountFromEmpty = 0x04;
constexpr unsigned kMoveMountToEmpty = 0x40;
constexpr unsigned kFsconfigSetFlag = 0;
constexpr unsigned kFsconfigSetString = 1;
constexpr unsigned kFsconfigCreate = 6;

constexpr uint64_t kMountAttrReadonly = 0x1;
constexpr uint64_t kMountAttrNosuid = 0x2;
constexpr uint64_t kMountAttrNodev = 0x4;
constexpr uint64_t kMountAttrNoexec = 0x8;
constexpr uint64_t kMountAttrAtimeMask = 0x70;

// openat2(2)
constexpr uint64_t kResolveNoXdev = 0x01;
constexpr uint64_t kResolveNoMagiclinks = 0x02;
constexpr uint64_t kResolveNoSymlinks = 0x04;
constexpr uint64_t kResolveBeneath = 0x08;
constexpr uint64_t kResolveInRoot = 0x10;

// clone3(2)
constexpr uint64_t kCloneVm = 0x00000100;
constexpr uint64_t kCloneVfork = 0x00004000;
constexpr uint64_t kCloneParent = 0x00008000;
constexpr uint64_t kClonePidfd = 0x00001000;
constexpr uint64_t kCloneNewTime = 0x00000080;
constexpr uint64_t kCloneNewNs = 0x00020000;
constexpr uint64_t kCloneNewCgroup = 0x02000000;
constexpr uint64_t kCloneNewUts = 0x04000000;
constexpr uint64_t kCloneNewIpc = 0x08000000;
constexpr uint64_t kCloneNewUser = 0x10000000;
constexpr uint64_t kCloneNewPid = 0x20000000;
constexpr uint64_t kCloneNewNet = 0x40000000;
constexpr uint64_t kCloneIntoCgroup = 0x200000000ull;

// close_range(2)
constexpr unsigned kCloseRangeCloexec = 1 << 2;

// statfs(2)
constexpr long kProcMagic = 0x9fa0;
constexpr long kDevptsMagic = 0x1cd1;
constexpr long kCgroupMagic = 0x27e0eb;
constexpr long kCgroup2Magic = 0x63677270;
constexpr long kPipefsMagic = 0x50495045;

struct OpenHow {
  uint64_t flags;
  uint64_t mode;
  uint64_t resolve;
};

struct MountAttr {
  uint64_t set;
  uint64_t clear;
  uint64_t propagation;
  uint64_t userns_fd;
};

struct CloneArgs {
  uint64_t flags;
  uint64_t pidfd;
  uint64_t child_tid;
  uint64_t parent_tid;
  uint64_t exit_signal;
  uint64_t stack;
  uint64_t stack_size;
  uint64_t tls;
  uint64_t set_tid;
  uint64_t set_tid_size;
  uint64_t cgroup;
};

inline int sys_openat2(int dir, const char* path, const OpenHow& how) {
  return static_cast<int>(syscall(437, dir, path, &how, sizeof how));
}
inline int sys_open_tree(int dir, const char* path, unsigned flags) {
  return static_cast<int>(syscall(428, dir, path, flags));
}
inline int sys_move_mount(int from, const char* from_path, int to, const char* to_path, unsigned flags) {
  return static_cast<int>(syscall(429, from, from_path, to, to_path, flags));
}
inline int sys_fsopen(const char* type, unsigned flags) {
  return static_cast<int>(syscall(430, type, flags));
}
inline int sys_fsconfig(int fs, unsigned command, const char* key, const void* value, int aux) {
  return static_cast<int>(syscall(431, fs, command, key, value, aux));
}
inline int sys_fsmount(int fs, unsigned flags, uint64_t attributes) {
  return static_cast<int>(syscall(432, fs, flags, static_cast<unsigned>(attributes)));
}
inline int sys_mount_setattr(int dir, const char* path, unsigned flags, const MountAttr& attr) {
  return static_cast<int>(syscall(442, dir, path, flags, &attr, sizeof attr));
}
inline int sys_pidfd_open(pid_t pid) {
  return static_cast<int>(syscall(434, pid, 0));
}
inline int sys_pidfd_send_signal(int pidfd, int signal) {
  return static_cast<int>(syscall(424, pidfd, signal, nullptr, 0));
}
inline pid_t sys_clone3(CloneArgs* args) {
  return static_cast<pid_t>(syscall(435, args, sizeof *args));
}
inline int sys_close_range(unsigned first, unsigned last, unsigned flags) {
  return static_cast<int>(syscall(436, first, last, flags));
}
inline int sys_pivot_root(const char* root, const char* old) {
  return static_cast<int>(syscall(SYS_pivot_root, root, old));
}

}  // namespace vaina
