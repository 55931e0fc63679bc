#pragma once

#include <sys/types.h>

namespace vaina {

// The life of a built-in process 1: passes every signal on to `child`, collects whatever ends, and exits as
// the child did (128 + N for signal N). With child 0 it exits with 0 at SIGINT or SIGTERM. All signals must
// be blocked.
[[noreturn]] void reap(pid_t child);

}  // namespace vaina
