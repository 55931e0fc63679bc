// The monitor: supervises one container from the plan on descriptor 4 and answers on descriptor 3
// (docs/monitor.md).
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../sys/process.h"
#include "supervise.h"

#ifdef VAINA_SANITIZE
extern "C" const char* __asan_default_options() {
  return "detect_leaks=0:log_path=/tmp/vaina-monitor-asan";
}
extern "C" const char* __ubsan_default_options() {
  return "print_stacktrace=1:log_path=/tmp/vaina-monitor-ubsan";
}
#endif

namespace {

constexpr int kControl = 3;
constexpr int kPlan = 4;

// A monitor is mostly started ahead of its plan: one byte says that the plan is there. False when whoever
// would have sent it is gone.
bool await_plan() {
  for (;;) {
    pollfd control = {kControl, POLLIN, 0};
    if (poll(&control, 1, -1) < 0 && errno != EINTR) return false;
    char ready;
    ssize_t size = recv(kControl, &ready, 1, MSG_DONTWAIT);
    if (size >= 0) return size == 1;
    if (errno != EAGAIN && errno != EINTR) return false;
  }
}

}  // namespace

int main() {
  // Blocked signals do not interrupt us, and a write into a closed pipe only fails. Children unblock them.
  // What was inherited as ignored is no longer: children inherit it too, and an ignored SIGCHLD would take
  // the exit status away.
  vaina::block_signals();
  vaina::reset_signal_actions();
  vaina::set_dumpable(false);
  prctl(PR_SET_NAME, "vaina-monitor");
  setsid();
  umask(0);
  if (chdir("/") != 0 || fcntl(kControl, F_SETFD, FD_CLOEXEC) != 0 || fcntl(kPlan, F_SETFD, FD_CLOEXEC) != 0)
    return 1;
  if (!await_plan()) return 0;
  uint64_t main_at = vaina::monotonic_nanoseconds();
  vaina::supervise(vaina::UniqueFd(kPlan), vaina::UniqueFd(kControl), main_at);
}
