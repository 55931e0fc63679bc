#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "../sys/status.h"
#include "../sys/unique_fd.h"
#include "host.h"
#include "plan.h"

namespace vaina {

struct SpawnRequest {
  const Plan* plan = nullptr;
  // Whose cgroups the process enters: what run_host left for the plan; for an exec the state of its
  // container.
  HostState* host = nullptr;
  // What becomes descriptors 0 to 2 (any number, copied; -1: /dev/null). Not used with `terminal`.
  int stdio[3] = {-1, -1, -1};
  // Give the process a terminal of the container as its controlling terminal and descriptors 0 to 2.
  bool terminal = false;
  uint16_t rows = 0, columns = 0;  // 0 × 0: as the kernel makes it
  // The process whose namespaces a `join` step joins, else -1.
  int container_pidfd = -1;
};

struct SpawnResult {
  pid_t pid = -1;  // as the host numbers it; a child of the caller, who has to wait for it
  UniqueFd pidfd;
  // Readable when the steps are done: end of file: the program runs (or the process was killed; its exit
  // tells); else one read() yields one SpawnFailure, and the process ends by itself with
  // SpawnFailure::exit_code.
  UniqueFd report;
  UniqueFd terminal;       // the master, when a terminal was asked for and made (else look at `report`)
  uint64_t cloned_at = 0;  // CLOCK_MONOTONIC, ns
};

struct SpawnFailure {
  uint32_t index;  // of the step, or kNoStep
  uint32_t error;  // errno
  uint32_t exit_code;
  char text[1012];  // what failed, NUL-terminated
};

// Runs the clone phase and starts the inside phase. When it fails there is no new process. All descriptors
// are close-on-exec. It waits for other processes only with id maps (newuidmap), with `terminal`, and,
// without the right to join a pid namespace by itself, for the short life of an intermediate process.
Status spawn(const SpawnRequest& request, SpawnResult* result, uint32_t* failed_index);

}  // namespace vaina
