#pragma once

#include <stdint.h>

#include "../plan/plan.h"

namespace vaina {

// Who gets the descriptors of a process.
struct StdioPolicy {
  bool piped = false;     // our pipes or terminal; else the process has the three descriptors themselves
  bool terminal = false;  // with `piped`
  uint16_t rows = 0, columns = 0;
  bool keep_stdin = false;
  bool logged = false;
};

// The policy phase of a container's plan. The strings are the plan's.
struct Policy {
  const char* run_dir = nullptr;
  const char* exit_record = nullptr;
  const char* log = nullptr;
  uint64_t log_limit = 0;
  StdioPolicy stdio;
  int stop_signal = 15;
  uint32_t stop_milliseconds = 10000;
  bool detach = false;
};

// Refuses what contradicts itself or is out of range; *failed_index is the step.
Status read_policy(const Plan& plan, Policy* out, uint32_t* failed_index);

// The same of an exec's plan, which may only have `stdio` and `tty`, and no after phase.
Status read_exec_policy(const Plan& plan, StdioPolicy* out, uint32_t* failed_index);

}  // namespace vaina
