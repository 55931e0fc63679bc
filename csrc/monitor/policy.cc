#include "policy.h"

#include <errno.h>

namespace vaina {
namespace {

constexpr uint64_t kMaxSignal = 64;
constexpr uint64_t kMaxMilliseconds = 0xfffffffeu;

Status refuse(const Step& step) {
  return failed_with(EINVAL, "obey", nullptr, step.name());
}

Status read_stdio_step(const Step& step, StdioPolicy* out) {
  if (step.op() == Op::kStdio) {
    if (step.num(0) > 1) return refuse(step);
    out->piped = step.num(0) == 1;
  } else {
    if (step.num(0) > 0xffff || step.num(1) > 0xffff) return refuse(step);
    out->terminal = true;
    out->rows = static_cast<uint16_t>(step.num(0));
    out->columns = static_cast<uint16_t>(step.num(1));
  }
  return fine();
}

Status read_step(const Step& step, Policy* out) {
  switch (step.op()) {
    case Op::kRunDir:
      if (step.str(0)[0] != '/' || out->run_dir != nullptr) return refuse(step);
      out->run_dir = step.str(0);
      return fine();
    case Op::kLog:
      if (step.str(0)[0] != '/' || out->log != nullptr) return refuse(step);
      out->log = step.str(0);
      out->log_limit = step.num(1);
      return fine();
    case Op::kStdio:
    case Op::kTty:
      return read_stdio_step(step, &out->stdio);
    case Op::kKeepStdin:
      out->stdio.keep_stdin = true;
      return fine();
    case Op::kStop:
      if (step.num(0) == 0 || step.num(0) > kMaxSignal || step.num(1) > kMaxMilliseconds) return refuse(step);
      out->stop_signal = static_cast<int>(step.num(0));
      out->stop_milliseconds = static_cast<uint32_t>(step.num(1));
      return fine();
    case Op::kExitRecord:
      if (step.str(0)[0] != '/' || out->exit_record != nullptr) return refuse(step);
      out->exit_record = step.str(0);
      return fine();
    case Op::kDetach:
      out->detach = true;
      return fine();
    default:
      return refuse(step);
  }
}

}  // namespace

Status read_policy(const Plan& plan, Policy* out, uint32_t* failed_index) {
  for (const Step& step : plan.steps(Phase::kPolicy)) {
    Status status = read_step(step, out);
    if (status.ok()) continue;
    *failed_index = step.index();
    return status;
  }
  // Only what passes through us can be logged, kept open, or be a terminal.
  bool needs_pipes = out->log != nullptr || out->stdio.terminal || out->stdio.keep_stdin;
  if (needs_pipes && !out->stdio.piped) return failed_with(EINVAL, "obey", nullptr, "stdio");
  out->stdio.logged = out->log != nullptr;
  return fine();
}

Status read_exec_policy(const Plan& plan, StdioPolicy* out, uint32_t* failed_index) {
  for (const Step& step : plan.steps(Phase::kPolicy)) {
    bool known = step.op() == Op::kStdio || step.op() == Op::kTty;
    Status status = known ? read_stdio_step(step, out) : refuse(step);
    if (status.ok()) continue;
    *failed_index = step.index();
    return status;
  }
  for (const Step& step : plan.steps(Phase::kAfter)) {
    *failed_index = step.index();
    return refuse(step);
  }
  return out->terminal && !out->piped ? failed_with(EINVAL, "obey", nullptr, "tty") : fine();
}

}  // namespace vaina
