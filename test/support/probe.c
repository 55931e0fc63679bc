// What a process inside a container observes, one fact per line: KIND, a tab, KEY, a tab, VALUE. The same
// program runs in a peer's container and in ours, and the lines are compared.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

static void fact(const char* kind, const char* key, const char* value) {
  printf("%s\t%s\t%s\n", kind, key, value);
}

static void lines(const char* kind, const char* path, const char* const* wanted) {
  FILE* file = fopen(path, "re");
  if (!file) {
    fact(kind, path, strerrorname_np(errno));
    return;
  }
  char line[65536];
  while (fgets(line, sizeof line, file)) {
    line[strcspn(line, "\n")] = 0;
    if (!wanted) {
      printf("%s\t%s\n", kind, line);
      continue;
    }
    for (const char* const* name = wanted; *name; name++) {
      size_t length = strlen(*name);
      if (strncmp(line, *name, length) == 0 && line[length] == ':')
        printf("%s\t%s\t%s\n", kind, *name, line + length + 1 + strspn(line + length + 1, "\t "));
    }
  }
  fclose(file);
}

static void links(const char* kind, const char* directory) {
  DIR* dir = opendir(directory);
  if (!dir) {
    fact(kind, directory, strerrorname_np(errno));
    return;
  }
  for (struct dirent* entry; (entry = readdir(dir));) {
    char target[4096];
    ssize_t length = readlinkat(dirfd(dir), entry->d_name, target, sizeof target - 1);
    if (length < 0) continue;
    target[length] = 0;
    fact(kind, entry->d_name, target);
  }
  closedir(dir);
}

// A path that should be masked: what it is and whether anything can be read from it.
static void masked(const char* path) {
  struct stat st;
  char text[256];
  if (stat(path, &st) < 0) {
    fact("mask", path, strerrorname_np(errno));
    return;
  }
  if (S_ISDIR(st.st_mode)) {
    DIR* dir = opendir(path);
    int count = 0;
    if (!dir) {
      snprintf(text, sizeof text, "directory %s", strerrorname_np(errno));
    } else {
      while (readdir(dir)) count++;
      closedir(dir);
      snprintf(text, sizeof text, "directory, %s", count > 2 ? "entries" : "empty");
    }
  } else {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    char byte;
    if (fd < 0) {
      snprintf(text, sizeof text, "file %s", strerrorname_np(errno));
    } else {
      ssize_t got = read(fd, &byte, 1);
      snprintf(text, sizeof text, "file, %s",
               got > 0    ? "readable"
               : got == 0 ? "empty"
                          : strerrorname_np(errno));
      close(fd);
    }
  }
  fact("mask", path, text);
}

// A path that should not be writable.
static void writable(const char* path) {
  struct stat st;
  int result;
  if (stat(path, &st) < 0) {
    fact("write", path, strerrorname_np(errno));
    return;
  }
  if (S_ISDIR(st.st_mode)) {
    char name[4096];
    snprintf(name, sizeof name, "%s/probe-made", path);
    result = mkdir(name, 0755);
    if (result == 0) rmdir(name);
  } else {
    result = open(path, O_WRONLY | O_CLOEXEC | O_NONBLOCK);
    if (result >= 0) close(result);
  }
  fact("write", path, result < 0 ? strerrorname_np(errno) : "writable");
}

static void device_tree(const char* path, int depth) {
  DIR* dir = opendir(path);
  if (!dir) {
    fact("dev", path, strerrorname_np(errno));
    return;
  }
  for (struct dirent* entry; (entry = readdir(dir));) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    char name[4096], text[8192], target[4096] = "";
    snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
    struct stat st;
    if (lstat(name, &st) < 0) continue;
    ssize_t length = S_ISLNK(st.st_mode) ? readlink(name, target, sizeof target - 1) : 0;
    if (length >= 0) target[length] = 0;
    snprintf(text, sizeof text, "%06o %u:%u %u:%u %s", st.st_mode, st.st_uid, st.st_gid, major(st.st_rdev),
             minor(st.st_rdev), target);
    fact("dev", name, text);
    if (S_ISDIR(st.st_mode) && depth > 0) device_tree(name, depth - 1);
  }
  closedir(dir);
}

// Calls with arguments that cannot succeed or do harm: the errno tells a filter's refusal from the kernel's.
static void refusals(void) {
  const struct {
    const char* name;
    long number, a, b, c, d, e;
  } calls[] = {
      {"unshare(user)", SYS_unshare, 0x10000000, 0, 0, 0, 0},
      {"unshare(mount)", SYS_unshare, 0x00020000, 0, 0, 0, 0},
      {"clone3", SYS_clone3, 0, 0, 0, 0, 0},
      {"setns", SYS_setns, -1, 0, 0, 0, 0},
      {"mount", SYS_mount, 0, 0, 0, 0, 0},
      {"umount2", SYS_umount2, 0, 0, 0, 0, 0},
      {"pivot_root", SYS_pivot_root, 0, 0, 0, 0, 0},
      {"chroot", SYS_chroot, 0, 0, 0, 0, 0},
      {"fsopen", SYS_fsopen, 0, -1, 0, 0, 0},
      {"open_tree", SYS_open_tree, -1, 0, -1, 0, 0},
      {"move_mount", SYS_move_mount, -1, 0, -1, 0, -1},
      {"mount_setattr", SYS_mount_setattr, -1, 0, 0, 0, 0},
      {"open_by_handle_at", SYS_open_by_handle_at, -1, 0, 0, 0, 0},
      {"name_to_handle_at", SYS_name_to_handle_at, -1, 0, 0, 0, 0},
      {"ptrace", SYS_ptrace, 0x4206, 0, 0, 0, 0},
      {"process_vm_readv", SYS_process_vm_readv, -1, 0, 0, 0, 0},
      {"kcmp", SYS_kcmp, -1, -1, 0, 0, 0},
      {"pidfd_getfd", SYS_pidfd_getfd, -1, 0, 0, 0, 0},
      {"keyctl", SYS_keyctl, 9999, 0, 0, 0, 0},
      {"add_key", SYS_add_key, 0, 0, 0, 0, 0},
      {"request_key", SYS_request_key, 0, 0, 0, 0, 0},
      {"bpf", SYS_bpf, 9999, 0, 0, 0, 0},
      {"perf_event_open", SYS_perf_event_open, 0, 0, 0, 0, 0},
      {"userfaultfd", SYS_userfaultfd, -1, 0, 0, 0, 0},
      {"io_uring_setup", SYS_io_uring_setup, 0, 0, 0, 0, 0},
      {"kexec_load", SYS_kexec_load, 0, 9999, 0, -1, 0},
      {"init_module", SYS_init_module, 0, 0, 0, 0, 0},
      {"finit_module", SYS_finit_module, -1, 0, 0, 0, 0},
      {"delete_module", SYS_delete_module, 0, 0, 0, 0, 0},
      {"reboot", SYS_reboot, 0, 0, 0, 0, 0},
      {"swapon", SYS_swapon, 0, 0, 0, 0, 0},
      {"acct", SYS_acct, 1, 0, 0, 0, 0},
      {"settimeofday", SYS_settimeofday, 0, 0, 0, 0, 0},
      {"clock_settime", SYS_clock_settime, 9999, 0, 0, 0, 0},
      {"adjtimex", SYS_adjtimex, 0, 0, 0, 0, 0},
      {"sethostname", SYS_sethostname, 0, -1, 0, 0, 0},
      {"iopl", SYS_iopl, 3, 0, 0, 0, 0},
      {"ioperm", SYS_ioperm, 0, 1, 1, 0, 0},
      {"modify_ldt", SYS_modify_ldt, 9999, 0, 0, 0, 0},
      {"personality(linux32)", SYS_personality, 0xffffffff, 0, 0, 0, 0},
      {"syslog", SYS_syslog, 9999, 0, 0, 0, 0},
      {"quotactl", SYS_quotactl, -1, 0, 0, 0, 0},
      {"lookup_dcookie", SYS_lookup_dcookie, 0, 0, 0, 0, 0},
      {"fanotify_init", SYS_fanotify_init, -1, 0, 0, 0, 0},
      {"mbind", SYS_mbind, 0, 0, 9999, 0, 0},
      {"move_pages", SYS_move_pages, -1, 0, 0, 0, 0},
      {"uselib", SYS_uselib, 0, 0, 0, 0, 0},
      {"vhangup", SYS_vhangup, 0, 0, 0, 0, 0},
      {"socket(AF_ALG)", SYS_socket, 38, SOCK_SEQPACKET, 0, 0, 0},
      {"socket(AF_VSOCK)", SYS_socket, 40, SOCK_STREAM, 0, 0, 0},
      {"socket(AF_PACKET)", SYS_socket, AF_PACKET, SOCK_RAW, 0, 0, 0},
      {"socket(raw)", SYS_socket, AF_INET, SOCK_RAW, 1, 0, 0},
      {"socket(tcp)", SYS_socket, AF_INET, SOCK_STREAM, 0, 0, 0},
      {"an unknown call", 4000, 0, 0, 0, 0, 0},
  };
  for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
    // In a child each: one that succeeds (a new user namespace, say) must not colour the next.
    fflush(stdout);
    pid_t child = fork();
    if (child > 0) waitpid(child, NULL, 0);
    if (child != 0) continue;
    errno = 0;
    long result = syscall(calls[i].number, calls[i].a, calls[i].b, calls[i].c, calls[i].d, calls[i].e);
    fact("call", calls[i].name, result < 0 ? strerrorname_np(errno) : "allowed");
    fflush(stdout);
    _exit(0);
  }
}

int main(void) {
  // First of all, before anything here opens a descriptor of its own.
  for (int fd = 0; fd < 1024; fd++) {
    int flags = fcntl(fd, F_GETFD);
    if (flags < 0) continue;
    char path[64], text[4200], target[4096];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(path, target, sizeof target - 1);
    target[length < 0 ? 0 : length] = 0;
    snprintf(text, sizeof text, "%s%s", target, flags & FD_CLOEXEC ? " cloexec" : "");
    snprintf(path, sizeof path, "%d", fd);
    fact("fd", path, text);
  }
  static const char* const status[] = {"Uid",       "Gid",        "Groups",  "CapInh",          "CapPrm",
                                       "CapEff",    "CapBnd",     "CapAmb",  "SigBlk",          "SigIgn",
                                       "SigCgt",    "NoNewPrivs", "Seccomp", "Seccomp_filters", "Umask",
                                       "TracerPid", "NSpid",      0};
  lines("status", "/proc/self/status", status);
  links("ns", "/proc/self/ns");
  lines("mount", "/proc/self/mountinfo", 0);
  lines("cgroup", "/proc/self/cgroup", 0);
  lines("oom", "/proc/self/oom_score_adj", 0);
  lines("uidmap", "/proc/self/uid_map", 0);
  lines("limits", "/proc/sys/net/ipv4/ping_group_range", 0);
  lines("limits", "/proc/sys/net/ipv4/ip_unprivileged_port_start", 0);
  static const char* const masks[] = {"/proc/acpi",
                                      "/proc/asound",
                                      "/proc/interrupts",
                                      "/proc/kcore",
                                      "/proc/keys",
                                      "/proc/latency_stats",
                                      "/proc/sched_debug",
                                      "/proc/scsi",
                                      "/proc/timer_list",
                                      "/proc/timer_stats",
                                      "/proc/kallsyms",
                                      "/sys/firmware",
                                      "/sys/fs/selinux",
                                      "/sys/dev/block",
                                      "/sys/devices/virtual/powercap",
                                      "/sys/kernel/debug",
                                      "/sys/devices/system/cpu/cpu0/thermal_throttle"};
  for (size_t i = 0; i < sizeof masks / sizeof *masks; i++) masked(masks[i]);
  static const char* const writes[] = {"/",
                                       "/proc",
                                       "/proc/sys/kernel/hostname",
                                       "/proc/sys/kernel/core_pattern",
                                       "/proc/sysrq-trigger",
                                       "/proc/irq",
                                       "/proc/bus",
                                       "/proc/fs",
                                       "/proc/self/oom_score_adj",
                                       "/proc/self/attr/current",
                                       "/sys",
                                       "/sys/kernel/mm",
                                       "/sys/fs/cgroup",
                                       "/sys/fs/cgroup/memory",
                                       "/sys/fs/cgroup/memory/release_agent",
                                       "/sys/fs/cgroup/cgroup.procs",
                                       "/sys/kernel/uevent_helper",
                                       "/dev",
                                       "/dev/shm",
                                       "/dev/mqueue",
                                       "/etc/hostname",
                                       "/etc/hosts",
                                       "/etc/resolv.conf",
                                       "/run",
                                       "/tmp"};
  for (size_t i = 0; i < sizeof writes / sizeof *writes; i++) writable(writes[i]);
  device_tree("/dev", 1);
  for (int resource = 0; resource < RLIM_NLIMITS; resource++) {
    struct rlimit limit;
    char key[16], text[64];
    getrlimit((__rlimit_resource_t)resource, &limit);
    snprintf(key, sizeof key, "%d", resource);
    snprintf(text, sizeof text, "%llu %llu", (unsigned long long)limit.rlim_cur,
             (unsigned long long)limit.rlim_max);
    fact("rlimit", key, text);
  }
  for (char** entry = environ; *entry; entry++) printf("env\t%s\n", *entry);
  struct utsname names;
  uname(&names);
  fact("uts", "nodename", names.nodename);
  fact("uts", "domainname", names.domainname);
  char cwd[4096];
  fact("process", "cwd", getcwd(cwd, sizeof cwd) ? cwd : strerrorname_np(errno));
  char text[128];
  snprintf(text, sizeof text, "pid %d ppid %d pgid %d sid %d", getpid(), getppid(), getpgrp(), getsid(0));
  fact("process", "ids", text);
  fact("process", "terminal", isatty(0) ? ttyname(0) ? ttyname(0) : "tty" : "none");
  struct stat st;
  snprintf(text, sizeof text, "%o %u:%u", stat("/", &st) == 0 ? st.st_mode : 0, st.st_uid, st.st_gid);
  fact("process", "root", text);
  refusals();
  return 0;
}
