#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../store/storage.h"
#include "../sys/exec.h"
#include "../sys/memory.h"
#include "../sys/process.h"
#include "../sys/reaper.h"
#include "../sys/syscalls.h"
#include "inside.h"

namespace vaina {
namespace {

// Gives up all that is left of the monitor: descriptors (the report's end tells it that all went well) and
// the plan.
void let_go(Inside* inside, unsigned first_descriptor) {
  prctl(PR_SET_NAME, "init", 0, 0, 0);
  sys_close_range(first_descriptor, ~0u, 0);
  uintptr_t start = reinterpret_cast<uintptr_t>(inside->plan->data());
  if (start % static_cast<uintptr_t>(getpagesize()) == 0) {
    munmap(const_cast<uint8_t*>(inside->plan->data()), inside->plan->size());
  }
}

// Leaves this process as the reaper and goes on in a child, which is the foreground of the terminal.
Status leave_reaper(Inside* inside) {
  block_signals();
  bool first = getpid() == 1;
  if (!first && prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0) return failed("become reaper");
  pid_t child = fork();
  if (child < 0) return failed("fork");
  if (child > 0) {
    let_go(inside, 0);
    reap(child);
  }
  if (inside->death_signal != 0) prctl(PR_SET_PDEATHSIG, inside->death_signal, 0, 0, 0);
  setpgid(0, 0);
  // A background group may do this while SIGTTOU is blocked.
  if (inside->own_terminal) tcsetpgrp(0, getpid());
  return fine();
}

const char* find_path(const char* const* environment) {
  for (; *environment != nullptr; environment++) {
    if (strncmp(*environment, "PATH=", 5) == 0) return *environment + 5;
  }
  return nullptr;
}

Status run_program(const Step& step, Inside* inside) {
  if (step.count() == 0) return failed_with(EINVAL, "exec");
  uint32_t variables = inside->env_set ? inside->env.count() : 0;
  Memory<const char*> environment(variables + 1), argv(step.count() + 1);
  if (!environment.ok() || !argv.ok()) return failed("exec", step.str(0));
  if (variables > 0) inside->env.strings(0, environment.get());
  step.strings(0, argv.get());
  if (inside->init) {
    Status status = leave_reaper(inside);
    if (!status.ok()) return status;
  }
  unblock_signals();
  return failed_with(execute(argv.get(), environment.get(), find_path(environment.get())), "exec",
                     step.str(0));
}

}  // namespace

Status run_last_step(const Step& step, Inside* inside) {
  umask(static_cast<mode_t>(inside->umask));
  Status status = seal_descriptors(inside);
  if (!status.ok()) return status;
  switch (step.op()) {
    case Op::kExec:
      return run_program(step, inside);
    case Op::kPause:
      block_signals();
      let_go(inside, 0);
      reap(0);
    default:
      unblock_signals();
      let_go(inside, 3);
      _exit(serve_storage(0, 1));
  }
}

}  // namespace vaina
