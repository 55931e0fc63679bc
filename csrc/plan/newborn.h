#pragma once

#include <stdint.h>

#include "../sys/idmap.h"
#include "../sys/status.h"
#include "../sys/unique_fd.h"
#include "plan.h"
#include "spawn.h"

namespace vaina {

// The clone phase, read from the plan, and what the new process needs of it.
struct ClonePhase {
  static constexpr uint32_t kMaxPaths = 8;

  uint64_t flags = 0;  // CLONE_NEW* of the new process
  uint32_t clone_step = kNoStep;
  uint64_t join = 0;  // CLONE_NEW* of the container to join
  uint32_t join_step = kNoStep;
  IdMaps maps;

  // Namespaces to join by path, opened by the monitor.
  struct Path {
    UniqueFd fd;
    const char* path = nullptr;
    int type = 0;
    uint32_t step = 0;
  };
  Path paths[kMaxPaths];
  uint32_t path_count = 0;

  int v2_cgroup = -1;  // the directory

  // What the new process still has to join by itself, when somebody has joined the rest for it.
  uint64_t join_left = 0;
  bool paths_left = true;
};

// The id maps of the clone phase.
IdMaps read_id_maps(const Plan& plan);

// Reads the clone phase and opens what it names.
Status read_clone_phase(const SpawnRequest& request, ClonePhase* out, uint32_t* failed_index);

// Becomes id 0 of the own user namespace, without supplementary groups where they may be dropped.
Status become_root();

// The life of the new process from its first instruction: cgroups, namespaces, identity, then the inside
// phase. stdio are three descriptors to become 0 to 2; channel is -1 when there is neither an id map nor a
// terminal.
[[noreturn]] void run_newborn(const SpawnRequest& request, const ClonePhase& phase, const int* stdio,
                              int report, int channel);

// Tells the monitor why there will be no program, and ends.
[[noreturn]] void report_failure(int report, uint32_t index, const Status& status, uint32_t exit_code);

}  // namespace vaina
