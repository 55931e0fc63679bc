/**
 * The default seccomp profile: podman's policy of today (unknown calls get ENOSYS, so that programs fall back; calls
 * known to be dangerous get EPERM), and a little stricter; `docs/defaults.md` lists the differences.
 */

/** A group of system calls and what is done with them; `errno` 0 allows. */
export interface DefaultRule {
  calls: readonly string[];
  errno: number;
  /** Only when the container has one of these capabilities. */
  withCapability?: readonly string[];
  /** Only when the container has none of these capabilities. */
  withoutCapability?: readonly string[];
  /** Only on these architectures, as `process.arch` says. */
  architectures?: readonly string[];
  /** On all architectures but these. */
  notArchitectures?: readonly string[];
  /** Conditions: [argument, mask, value], all on the low 32 bits, since the kernel takes these as int. */
  when?: readonly (readonly [number, number, number])[];
}

const EPERM = 1;
const EINVAL = 22;
const EAFNOSUPPORT = 97;

const ALLOWED = words(`
_llseek _newselect accept accept4 access adjtimex alarm bind brk capget capset chdir chmod chown chown32
clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64 clock_nanosleep
clock_nanosleep_time64 clone clone3 close close_range connect copy_file_range creat dup dup2 dup3 epoll_create
epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd eventfd2 execve
execveat exit exit_group faccessat faccessat2 fadvise64 fadvise64_64 fallocate fanotify_init fanotify_mark fchdir
fchmod fchmodat fchmodat2 fchown fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr flistxattr flock fork
fremovexattr fsconfig fsetxattr fsmount fsopen fspick fstat fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate
ftruncate64 futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake futimesat get_mempolicy
get_robust_list get_thread_area getcpu getcwd getdents getdents64 getegid getegid32 geteuid geteuid32 getgid getgid32
getgroups getgroups32 getitimer getpeername getpgid getpgrp getpid getppid getpriority getrandom getresgid getresgid32
getresuid getresuid32 getrlimit getrusage getsid getsockname getsockopt gettid gettimeofday getuid getuid32 getxattr
inotify_add_watch inotify_init inotify_init1 inotify_rm_watch io_cancel io_destroy io_getevents io_setup io_submit
ioctl ioprio_get ioprio_set ipc kill landlock_add_rule landlock_create_ruleset landlock_restrict_self lchown lchown32
lgetxattr link linkat listen listxattr llistxattr lremovexattr lseek lsetxattr lstat lstat64 madvise mbind membarrier
memfd_create memfd_secret mincore mkdir mkdirat mknod mknodat mlock mlock2 mlockall mmap mmap2 mount mount_setattr
move_mount mprotect mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend
mq_timedsend_time64 mq_unlink mremap msgctl msgget msgrcv msgsnd msync munlock munlockall munmap name_to_handle_at
nanosleep newfstatat open open_tree openat openat2 pause pidfd_getfd pidfd_open pidfd_send_signal pipe pipe2
pivot_root pkey_alloc pkey_free pkey_mprotect poll ppoll ppoll_time64 prctl pread64 preadv preadv2 prlimit64
process_mrelease process_vm_readv process_vm_writev pselect6 pselect6_time64 ptrace pwrite64 pwritev pwritev2 read
readahead readlink readlinkat readv reboot recv recvfrom recvmmsg recvmmsg_time64 recvmsg remap_file_pages removexattr
rename renameat renameat2 restart_syscall rmdir rseq rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo
rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo sched_get_priority_max
sched_get_priority_min sched_getaffinity sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval
sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam sched_setscheduler sched_yield seccomp
select semctl semget semop semtimedop semtimedop_time64 send sendfile sendfile64 sendmmsg sendmsg sendto set_mempolicy
set_robust_list set_thread_area set_tid_address setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups
setgroups32 setitimer setpgid setpriority setregid setregid32 setresgid setresgid32 setresuid setresuid32 setreuid
setreuid32 setrlimit setsid setsockopt setuid setuid32 setxattr shmat shmctl shmdt shmget shutdown sigaltstack signal
signalfd signalfd4 sigprocmask sigreturn socketpair splice stat stat64 statfs statfs64 statx symlink symlinkat sync
sync_file_range syncfs sysinfo syslog tee tgkill time timer_create timer_delete timer_getoverrun timer_gettime
timer_gettime64 timer_settime timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime
timerfd_settime64 times tkill truncate truncate64 ugetrlimit umask umount umount2 uname unlink unlinkat unshare utime
utimensat utimensat_time64 utimes vfork wait4 waitid waitpid write writev`);

const DENIED = words(`
bdflush cachestat io_pgetevents io_pgetevents_time64 kexec_file_load kexec_load map_shadow_stack migrate_pages
move_pages nfsservctl nice oldfstat oldlstat oldolduname oldstat olduname pciconfig_iobase pciconfig_read
pciconfig_write sgetmask ssetmask swapoff swapon syscall sysfs uselib userfaultfd ustat vm86 vm86old vmsplice`);

/** Calls that need one of some capabilities to make sense. */
const WITH_CAPABILITY: readonly (readonly [string, readonly string[]])[] = [
  ['open_by_handle_at', ['CAP_DAC_READ_SEARCH']],
  ['bpf', ['CAP_SYS_ADMIN', 'CAP_BPF']],
  ['perf_event_open', ['CAP_SYS_ADMIN', 'CAP_PERFMON']],
  ['lookup_dcookie quotactl quotactl_fd setdomainname sethostname setns', ['CAP_SYS_ADMIN']],
  ['chroot', ['CAP_SYS_CHROOT']],
  ['delete_module finit_module init_module query_module', ['CAP_SYS_MODULE']],
  ['acct', ['CAP_SYS_PACCT']],
  ['kcmp process_madvise', ['CAP_SYS_PTRACE']],
  ['ioperm iopl', ['CAP_SYS_RAWIO']],
  ['clock_settime clock_settime64 settimeofday stime', ['CAP_SYS_TIME']],
  ['vhangup', ['CAP_SYS_TTY_CONFIG']],
];

/** Values of personality(2) that only look: Linux, ADDR_NO_RANDOMIZE and the like stay out; 0xffffffff asks. */
const PERSONALITIES = [0x0, 0x8, 0x20000, 0x20008, 0xffffffff];

const AF_NETLINK = 16;
const AF_ALG = 38;
const AF_VSOCK = 40;
const NETLINK_AUDIT = 9;
const ALL_BITS = 0xffffffff;

/** Masks and values that cover exactly the integers of a range: [mask, value] for each aligned block. */
export function maskBlocks(first: number, last: number): [number, number][] {
  const blocks: [number, number][] = [];
  for (let at = first; at <= last;) {
    let size = 1;
    while (at % (size * 2) === 0 && at + size * 2 - 1 <= last) size *= 2;
    blocks.push([(ALL_BITS - (size - 1)) >>> 0, at]);
    at += size;
  }
  return blocks;
}

/**
 * The rules of socket(2). The family is compared in its low 32 bits, which is all the kernel looks at: a comparison of
 * all 64 bits lets AF_ALG pass as 0x100000026. socketcall(2), the other door of 32-bit programs, must come first: it
 * cannot be filtered by family, and libseccomp would open it for every rule that allows socket.
 */
function socketRules(): DefaultRule[] {
  const family = (mask: number, value: number): readonly [number, number, number] => [0, mask, value];
  const rules: DefaultRule[] = [
    { calls: ['socketcall'], errno: EPERM, notArchitectures: ['s390x'] },
    // There it is the main door, which the C library uses.
    { calls: ['socketcall'], errno: 0, architectures: ['s390x'] },
    { calls: ['socket'], errno: EAFNOSUPPORT, when: [family(ALL_BITS, AF_ALG)] },
    { calls: ['socket'], errno: EAFNOSUPPORT, when: [family(ALL_BITS, AF_VSOCK)] },
  ];
  const ranges = [
    [0, AF_NETLINK - 1],
    [AF_NETLINK + 1, AF_ALG - 1],
    [AF_ALG + 1, AF_VSOCK - 1],
    [AF_VSOCK + 1, 63],
  ] as const;
  for (const [first, last] of ranges) {
    for (const [mask, value] of maskBlocks(first, last)) {
      rules.push({ calls: ['socket'], errno: 0, when: [family(mask, value)] });
    }
  }
  const netlink = family(ALL_BITS, AF_NETLINK);
  const audit = [2, ALL_BITS, NETLINK_AUDIT] as const;
  const needed = ['CAP_AUDIT_WRITE'];
  rules.push({ calls: ['socket'], errno: 0, when: [netlink], withCapability: needed });
  rules.push({ calls: ['socket'], errno: EINVAL, when: [netlink, audit], withoutCapability: needed });
  for (const [mask, value] of [...maskBlocks(0, NETLINK_AUDIT - 1), ...maskBlocks(NETLINK_AUDIT + 1, 31)]) {
    rules.push({ calls: ['socket'], errno: 0, when: [netlink, [2, mask, value]], withoutCapability: needed });
  }
  return rules;
}

function words(text: string): string[] {
  return text.trim().split(/\s+/);
}

/** All rules of the default profile; what none of them names gets ENOSYS. */
export const DEFAULT_RULES: readonly DefaultRule[] = [
  ...socketRules(),
  { calls: ALLOWED, errno: 0 },
  { calls: DENIED, errno: EPERM },
  ...PERSONALITIES.map((value) => ({
    calls: ['personality'],
    errno: 0,
    when: [[0, ALL_BITS, value]] as const,
  })),
  { calls: ['arch_prctl', 'modify_ldt'], errno: 0, architectures: ['x64', 'ia32'] },
  {
    calls: [
      'arm_fadvise64_64',
      'arm_sync_file_range',
      'breakpoint',
      'cacheflush',
      'set_tls',
      'sync_file_range2',
    ],
    errno: 0,
    architectures: ['arm', 'arm64'],
  },
  { calls: ['swapcontext', 'sync_file_range2'], errno: 0, architectures: ['ppc64'] },
  {
    calls: ['s390_pci_mmio_read', 's390_pci_mmio_write', 's390_runtime_instr'],
    errno: 0,
    architectures: ['s390x'],
  },
  { calls: ['riscv_flush_icache'], errno: 0, architectures: ['riscv64'] },
  ...WITH_CAPABILITY.flatMap(([calls, capabilities]) => [
    { calls: words(calls), errno: 0, withCapability: capabilities },
    { calls: words(calls), errno: EPERM, withoutCapability: capabilities },
  ]),
];
