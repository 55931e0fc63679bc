// The floor that the engine is measured against: what a container and an exec cost in bare C. The namespaces
// and the mounts are those of the engine's default plan (network none), the root an overlay over the same
// directory; no cgroup, no seccomp, no log, no record of anything.
//
//   floor LOWER SCRATCH
//
// Reads commands from stdin, one a line, and answers each with nanoseconds:
//   run               clone, mounts, pivot_root, exec /bin/true, wait, remove the overlay's directories
//   exec              setns into a container that sleeps, fork, exec /bin/true, wait
//   spawn A\tB\t...   vfork, exec A with arguments B..., wait: for the peers' command lines
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NAMESPACES (CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET | CLONE_NEWCGROUP)
#define CHECK(call)                                               \
  do {                                                            \
    if ((call) < 0) {                                             \
      fprintf(stderr, "floor: %s: %s\n", #call, strerror(errno)); \
      _exit(1);                                                   \
    }                                                             \
  } while (0)

extern char** environ;

static const char* lower;
static const char* scratch;
static char upper[4096], work[4096], inner[4096], merged[4096], options[16384];
// Files of the engine that are bound over the image's.
static char managed[4][4096];
static const char* const managed_targets[] = {"etc/hosts", "etc/hostname", "etc/resolv.conf",
                                              "run/.containerenv"};

static long long now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void node(const char* path, unsigned minor_number, unsigned major_number) {
  CHECK(mknod(path, S_IFCHR | 0666, makedev(major_number, minor_number)));
}

static void touch(const char* path) {
  int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
  CHECK(fd);
  close(fd);
}

// The container's own file system, as the engine's plan makes it.
static void file_systems(void) {
  CHECK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
  CHECK(mount("overlay", merged, "overlay", 0, options));
  CHECK(chdir(merged));
  CHECK(mount("proc", "proc", "proc", MS_NOSUID | MS_NOEXEC | MS_NODEV, NULL));
  CHECK(mount("tmpfs", "dev", "tmpfs", MS_NOSUID | MS_NOEXEC | MS_STRICTATIME, "mode=755,size=65536k"));
  CHECK(mkdir("dev/pts", 0755));
  CHECK(mount("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC,
              "newinstance,ptmxmode=0666,mode=0620,gid=5"));
  CHECK(mkdir("dev/mqueue", 0755));
  CHECK(mount("mqueue", "dev/mqueue", "mqueue", MS_NOSUID | MS_NOEXEC | MS_NODEV, NULL));
  CHECK(mkdir("dev/shm", 0755));
  CHECK(mount("shm", "dev/shm", "tmpfs", MS_NOSUID | MS_NOEXEC | MS_NODEV, "mode=1777,size=65536k"));
  CHECK(mount("sysfs", "sys", "sysfs", MS_NOSUID | MS_NOEXEC | MS_NODEV | MS_RDONLY, NULL));
  node("dev/null", 3, 1);
  node("dev/zero", 5, 1);
  node("dev/full", 7, 1);
  node("dev/random", 8, 1);
  node("dev/urandom", 9, 1);
  node("dev/tty", 0, 5);
  CHECK(symlink("/proc/self/fd", "dev/fd"));
  CHECK(symlink("/proc/self/fd/0", "dev/stdin"));
  CHECK(symlink("/proc/self/fd/1", "dev/stdout"));
  CHECK(symlink("/proc/self/fd/2", "dev/stderr"));
  CHECK(symlink("pts/ptmx", "dev/ptmx"));
  for (int i = 0; i < 4; i++) {
    touch(managed_targets[i]);
    CHECK(mount(managed[i], managed_targets[i], NULL, MS_BIND, NULL));
  }
  static const char* const masked_files[] = {"proc/kcore", "proc/keys", "proc/timer_list", "proc/interrupts"};
  static const char* const masked_directories[] = {"proc/acpi", "proc/scsi", "sys/firmware", "sys/dev/block"};
  static const char* const read_only[] = {"proc/bus", "proc/fs", "proc/irq", "proc/sys",
                                          "proc/sysrq-trigger"};
  for (size_t i = 0; i < sizeof masked_files / sizeof *masked_files; i++)
    if (access(masked_files[i], F_OK) == 0) CHECK(mount("/dev/null", masked_files[i], NULL, MS_BIND, NULL));
  for (size_t i = 0; i < sizeof masked_directories / sizeof *masked_directories; i++)
    if (access(masked_directories[i], F_OK) == 0)
      CHECK(mount("tmpfs", masked_directories[i], "tmpfs", MS_RDONLY, "size=0k"));
  for (size_t i = 0; i < sizeof read_only / sizeof *read_only; i++) {
    if (access(read_only[i], F_OK) != 0) continue;
    CHECK(mount(read_only[i], read_only[i], NULL, MS_BIND | MS_REC, NULL));
    CHECK(mount(NULL, read_only[i], NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
                NULL));
  }
  CHECK((int)syscall(SYS_pivot_root, ".", "."));
  CHECK(umount2(".", MNT_DETACH));
  CHECK(chdir("/"));
}

static void loopback_up(void) {
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  CHECK(fd);
  struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
  CHECK(ioctl(fd, SIOCSIFFLAGS, &request));
  close(fd);
}

static void become(char* const argv[]) {
  file_systems();
  CHECK(sethostname("floor", 5));
  loopback_up();
  umask(0022);
  char* const environment[] = {"PATH=/bin", NULL};
  execve(argv[0], argv, environment);
  CHECK(-1);
}

static pid_t start(char* const argv[]) {
  struct clone_args arguments = {.flags = NAMESPACES, .exit_signal = SIGCHLD};
  pid_t pid = (pid_t)syscall(SYS_clone3, &arguments, sizeof arguments);
  CHECK(pid);
  if (pid == 0) become(argv);
  return pid;
}

static void finish(pid_t pid) {
  int status;
  CHECK(waitpid(pid, &status, 0));
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    fprintf(stderr, "floor: the program ended with status %x\n", status);
    exit(1);
  }
}

static void directories(void) {
  CHECK(mkdir(upper, 0755));
  CHECK(mkdir(work, 0700));
  CHECK(mkdir(merged, 0755));
}

static void remove_upper(void) {
  // What binds over missing files left in the upper layer.
  char path[8192];
  static const char* const left[] = {"etc/hosts",         "etc/hostname", "etc/resolv.conf",
                                     "run/.containerenv", "etc",          "run"};
  for (size_t i = 0; i < sizeof left / sizeof *left; i++) {
    snprintf(path, sizeof path, "%s/%s", upper, left[i]);
    if (unlink(path) < 0) rmdir(path);
  }
}

static void remove_directories(void) {
  remove_upper();
  CHECK(rmdir(upper));
  rmdir(inner);
  CHECK(rmdir(work));
  CHECK(rmdir(merged));
}

static void name_directories(const char* name) {
  snprintf(upper, sizeof upper, "%s/upper-%s", scratch, name);
  snprintf(work, sizeof work, "%s/work-%s", scratch, name);
  snprintf(inner, sizeof inner, "%s/work-%s/work", scratch, name);
  snprintf(merged, sizeof merged, "%s/merged-%s", scratch, name);
  snprintf(options, sizeof options, "lowerdir=%s,upperdir=%s,workdir=%s", lower, upper, work);
}

static long long run(void) {
  char* const argv[] = {"/bin/true", NULL};
  long long begin = now();
  directories();
  finish(start(argv));
  remove_directories();
  return now() - begin;
}

static long long join(int pidfd) {
  long long begin = now();
  pid_t pid = fork();
  CHECK(pid);
  if (pid == 0) {
    CHECK(setns(pidfd, NAMESPACES));
    pid_t inside = vfork();
    CHECK(inside);
    if (inside == 0) {
      char* const argv[] = {"/bin/true", NULL};
      char* const environment[] = {"PATH=/bin", NULL};
      execve(argv[0], argv, environment);
      _exit(127);
    }
    int status;
    CHECK(waitpid(inside, &status, 0));
    _exit(WEXITSTATUS(status));
  }
  finish(pid);
  return now() - begin;
}

static long long spawn(char* line) {
  char* argv[256];
  size_t count = 0;
  for (char* part = strtok(line, "\t"); part && count < 255; part = strtok(NULL, "\t")) argv[count++] = part;
  argv[count] = NULL;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  pid_t pid;
  long long begin = now();
  int error = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
  int status = 0;
  if (error != 0 || waitpid(pid, &status, 0) < 0 || status != 0) return -1;
  long long end = now();
  posix_spawn_file_actions_destroy(&actions);
  return end - begin;
}

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  lower = argv[1];
  scratch = argv[2];
  for (int i = 0; i < 4; i++) {
    snprintf(managed[i], sizeof managed[i], "%s/managed-%d", scratch, i);
    touch(managed[i]);
  }
  name_directories("exec");
  directories();
  char* const sleeper[] = {"/bin/sleep", "100000", NULL};
  pid_t target = start(sleeper);
  int pidfd = (int)syscall(SYS_pidfd_open, target, 0);
  CHECK(pidfd);
  // The exec must find the sleeper's root, not the one before its pivot_root.
  usleep(200000);
  name_directories("run");
  char* line = NULL;
  size_t size = 0;
  ssize_t length;
  while ((length = getline(&line, &size, stdin)) > 0) {
    line[strcspn(line, "\n")] = 0;
    long long result = -1;
    if (strcmp(line, "run") == 0) result = run();
    if (strcmp(line, "exec") == 0) result = join(pidfd);
    if (strncmp(line, "spawn ", 6) == 0) result = spawn(line + 6);
    printf("%lld\n", result);
    fflush(stdout);
  }
  kill(target, SIGKILL);
  waitpid(target, NULL, 0);
  name_directories("exec");
  remove_directories();
  return 0;
}
