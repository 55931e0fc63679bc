#pragma once

#include <stdint.h>

#include "../sys/status.h"
#include "host.h"
#include "plan.h"

namespace vaina {

// Runs the after phase, all of it whatever fails: the result is that of the first step that failed.
// `remove-run-dir` is left to the caller, who still needs the directory: see remove_run_dir().
Status run_after(const Plan& plan, HostState* state, uint32_t* failed_index);

// Removes a directory of the runroot and all that is in it (the work of `remove-run-dir`).
Status remove_run_dir(const char* path);

}  // namespace vaina
