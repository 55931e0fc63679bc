#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "io.h"

namespace vaina {
namespace {

constexpr size_t kStackSize = 16 * 1024;
constexpr int kSignals = 64;
// The kernel's struct sigaction, zeroed: SIG_DFL, no flags, empty mask.
constexpr size_t kKernelSigactionSize = 64;
constexpr size_t kSigsetSize = 8;

int exec_program(void* argument) {
  const char* const* argv = static_cast<const char* const*>(argument);
  // Descriptors are not shared here, so ours stay as they are.
  int null = open("/dev/null", O_RDWR);
  for (int fd = 0; fd <= 2 && null >= 0; fd++) dup2(null, fd);
  unblock_signals();
  char* environment[] = {nullptr};
  execve(argv[0], const_cast<char* const*>(argv), environment);
  _exit(127);
}

}  // namespace

uint64_t monotonic_nanoseconds() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000000u + static_cast<uint64_t>(now.tv_nsec);
}

pid_t start_program(const char* const* argv) {
  alignas(16) char stack[kStackSize];
  return clone(exec_program, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD,
               const_cast<const char**>(argv));
}

int wait_for(pid_t pid) {
  int status = 0;
  return retry([&] { return waitpid(pid, &status, 0); }) == pid ? status : -1;
}

int run_sharing(int (*run)(void*), void* argument, int flags) {
  alignas(16) char stack[kStackSize];
  pid_t pid =
      clone(run, stack + sizeof stack, CLONE_VM | CLONE_VFORK | CLONE_FILES | SIGCHLD | flags, argument);
  return pid < 0 ? -1 : wait_for(pid);
}

void reset_signal_actions() {
  alignas(8) char action[kKernelSigactionSize] = {};
  for (int signal = 1; signal <= kSignals; signal++) {
    if (signal == SIGKILL || signal == SIGSTOP) continue;
    syscall(SYS_rt_sigaction, signal, action, nullptr, kSigsetSize);
  }
}

void block_signals() {
  uint64_t all = ~0ull;
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, nullptr, kSigsetSize);
}

void unblock_signals() {
  uint64_t none = 0;
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, nullptr, kSigsetSize);
}

void set_dumpable(bool dumpable) {
  prctl(PR_SET_DUMPABLE, dumpable ? 1 : 0, 0, 0, 0);
}

}  // namespace vaina
