#include "host.h"

#include <errno.h>

namespace vaina {
namespace {

Status run_step(const Step& step, HostState* state, CgroupFile* file) {
  switch (step.op()) {
    case Op::kCgroupDir:
      return make_cgroup(step.str(0));
    case Op::kCgroupWrite:
      return file->write(step.str(0), step.str(1), step.bytes(1).size);
    case Op::kCgroupInherit:
      return inherit_cgroup_file(step.str(0), step.str(1));
    case Op::kCgroupDeviceFilter:
      return attach_device_filter(step.str(0), step.bytes(1).data, step.bytes(1).size);
    case Op::kCgroupEnter: {
      if (state->cgroup_count == HostState::kMaxCgroups)
        return failed_with(E2BIG, "enter cgroup", step.str(0));
      CgroupMembership& membership = state->cgroups[state->cgroup_count];
      Status status = open_cgroup(step.str(0), &membership);
      if (!status.ok()) return status;
      membership.step = step.index();
      state->cgroup_count++;
      return fine();
    }
    case Op::kMonitorCgroup:
      return move_to_cgroup(step.str(0));
    default:
      return failed_with(ENOSYS, step.name());
  }
}

}  // namespace

Status run_host(const Plan& plan, HostState* state, uint32_t* failed_index) {
  while (state->cgroup_count > 0) state->cgroups[--state->cgroup_count] = CgroupMembership();
  state->user_namespace.reset();
  CgroupFile file;
  for (const Step& step : plan.steps(Phase::kHost)) {
    Status status = run_step(step, state, &file);
    if (status.ok()) continue;
    *failed_index = step.index();
    return status;
  }
  return fine();
}

CgroupUsage read_cgroup_usage(const HostState& state) {
  CgroupUsage usage;
  for (uint32_t i = 0; i < state.cgroup_count; i++) add_cgroup_usage(state.cgroups[i], &usage);
  return usage;
}

}  // namespace vaina
