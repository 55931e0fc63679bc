#include "reaper.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace vaina {
namespace {

constexpr size_t kSigsetSize = 8;
constexpr int kSignalExit = 128;

// The number of the next signal.
int next_signal() {
  uint64_t all = ~0ull;
  while (true) {
    long signal = syscall(SYS_rt_sigtimedwait, &all, nullptr, nullptr, kSigsetSize);
    if (signal > 0) return static_cast<int>(signal);
  }
}

}  // namespace

void reap(pid_t child) {
  while (true) {
    int signal = next_signal();
    if (signal != SIGCHLD) {
      // A background process group gets SIGTTIN and SIGTTOU for what the terminal's owner did, not for the
      // child.
      if (child > 0 && signal != SIGTTIN && signal != SIGTTOU) kill(child, signal);
      if (child == 0 && (signal == SIGINT || signal == SIGTERM)) _exit(0);
      continue;
    }
    int status = 0;
    pid_t ended;
    while ((ended = waitpid(-1, &status, WNOHANG)) > 0) {
      if (ended != child) continue;
      _exit(WIFSIGNALED(status) ? kSignalExit + WTERMSIG(status) : WEXITSTATUS(status));
    }
  }
}

}  // namespace vaina
