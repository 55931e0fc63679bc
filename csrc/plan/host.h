#pragma once

#include <stdint.h>
#include <unistd.h>

#include "../sys/cgroup.h"
#include "../sys/status.h"
#include "../sys/unique_fd.h"
#include "plan.h"

namespace vaina {

// What the host phase leaves for the later ones. Keep it until run_after has run.
struct HostState {
  static constexpr uint32_t kMaxCgroups = 16;
  CgroupMembership cgroups[kMaxCgroups];
  uint32_t cgroup_count = 0;
  // The container's user namespace, kept by spawn() for the after phase when the plan has id maps.
  UniqueFd user_namespace;
  // The root directory of the container, once it runs. The root of its mount namespace is another one when
  // the engine itself is in a chroot: there joining the namespace alone would lead out of the container.
  UniqueFd root;
  bool rootless = geteuid() != 0;
};

// Runs the steps of the host phase, into a new state or (a restart) over an old one. On failure *failed_index
// is the step; run_after undoes what was done.
Status run_host(const Plan& plan, HostState* state, uint32_t* failed_index);

// Out-of-memory kills, peak memory and processor time of the cgroups of `cgroup-enter`; before run_after.
CgroupUsage read_cgroup_usage(const HostState& state);

}  // namespace vaina
