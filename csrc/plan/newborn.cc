#include "newborn.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../sys/io.h"
#include "../sys/process.h"
#include "../sys/syscalls.h"
#include "inside.h"

namespace vaina {
namespace {

constexpr uint64_t kNamespaceFlags = kCloneNewTime | kCloneNewNs | kCloneNewCgroup | kCloneNewUts |
                                     kCloneNewIpc | kCloneNewUser | kCloneNewPid | kCloneNewNet;
constexpr uint32_t kEngineExit = 125;

Status open_path(const Step& step, ClonePhase* phase) {
  const char* what = "join";
  uint64_t type = step.num(1);
  if (phase->path_count == ClonePhase::kMaxPaths) return failed_with(E2BIG, what, step.str(0));
  if ((type & ~kNamespaceFlags) != 0 || type == 0 || (type & (type - 1)) != 0) {
    return failed_with(EINVAL, what, step.str(0));
  }
  ClonePhase::Path& path = phase->paths[phase->path_count++];
  path.fd = UniqueFd(open(step.str(0), O_RDONLY | O_CLOEXEC));
  path.path = step.str(0);
  path.type = static_cast<int>(type);
  path.step = step.index();
  return path.fd.ok() ? fine() : failed(what, step.str(0));
}

Status read_step(const Step& step, const SpawnRequest& request, ClonePhase* phase) {
  switch (step.op()) {
    case Op::kClone:
      phase->flags = step.num(0);
      phase->clone_step = step.index();
      return (phase->flags & ~kNamespaceFlags) == 0 ? fine() : failed_with(EINVAL, "clone");
    case Op::kJoin:
      phase->join = step.num(0);
      phase->join_step = step.index();
      if ((phase->join & ~kNamespaceFlags) != 0 || request.container_pidfd < 0)
        return failed_with(EINVAL, "join");
      return fine();
    case Op::kJoinPath:
      return open_path(step, phase);
    default:
      return fine();  // maps: read_id_maps
  }
}

Status take_stdio(const int* stdio) {
  UniqueFd copies[3];
  for (int i = 0; i < 3; i++) {
    copies[i] = UniqueFd(fcntl(stdio[i], F_DUPFD_CLOEXEC, 3));
    if (!copies[i].ok()) return failed("take standard descriptors");
  }
  for (int i = 0; i < 3; i++) {
    if (dup2(copies[i].get(), i) < 0) return failed("take standard descriptors");
  }
  return fine();
}

// Cgroups first: the file's rights are the monitor's, and a cgroup namespace begins where its maker is.
Status enter(const SpawnRequest& request, const ClonePhase& phase, uint32_t* step) {
  const HostState& host = *request.host;
  for (uint32_t i = 0; i < host.cgroup_count; i++) {
    const CgroupMembership& membership = host.cgroups[i];
    if (membership.v2) continue;  // born there
    *step = membership.step;
    if (!write_whole(membership.entry.get(), "0", 1)) return failed("enter cgroup");
  }
  for (uint32_t i = 0; phase.paths_left && i < phase.path_count; i++) {
    const ClonePhase::Path& path = phase.paths[i];
    *step = path.step;
    if (setns(path.fd.get(), path.type) != 0) return failed("join", path.path);
  }
  if (phase.join_left != 0) {
    *step = phase.join_step;
    if (setns(request.container_pidfd, static_cast<int>(phase.join_left)) != 0) return failed("join");
  }
  return fine();
}

// An ordinary user need not have it: the kernel makes no user namespace for who is in a chroot.
Status enter_root(const SpawnRequest& request) {
  int root = request.host->root.get();
  if (root < 0) return request.host->rootless ? fine() : failed_with(ENOENT, "join root directory");
  if (fchdir(root) != 0 || chroot(".") != 0 || chdir("/") != 0) return failed("join root directory");
  return fine();
}

bool enters_user_namespace(const ClonePhase& phase) {
  if (((phase.flags | phase.join) & kCloneNewUser) != 0) return true;
  for (uint32_t i = 0; i < phase.path_count; i++) {
    if (phase.paths[i].type == static_cast<int>(kCloneNewUser)) return true;
  }
  return false;
}

}  // namespace

void report_failure(int report, uint32_t index, const Status& status, uint32_t exit_code) {
  SpawnFailure failure{index, static_cast<uint32_t>(status.error), exit_code, {}};
  describe(status, failure.text, sizeof failure.text);
  write_whole(report, &failure, sizeof failure);
  _exit(static_cast<int>(exit_code));
}

IdMaps read_id_maps(const Plan& plan) {
  IdMaps maps;
  for (const Step& step : plan.steps(Phase::kClone)) {
    if (step.op() == Op::kUidMap) maps.uid = IdMap{step.str(0), step.str(1), step.index()};
    if (step.op() == Op::kGidMap) maps.gid = IdMap{step.str(0), step.str(1), step.index()};
    if (step.op() != Op::kSetgroupsDeny) continue;
    maps.deny_setgroups = true;
    maps.setgroups_step = step.index();
  }
  return maps;
}

Status read_clone_phase(const SpawnRequest& request, ClonePhase* out, uint32_t* failed_index) {
  for (const Step& step : request.plan->steps(Phase::kClone)) {
    *failed_index = step.index();
    Status status = read_step(step, request, out);
    if (!status.ok()) return status;
  }
  *failed_index = kNoStep;
  out->maps = read_id_maps(*request.plan);
  out->join_left = out->join;
  if (out->maps.any() && (out->flags & kCloneNewUser) == 0) {
    *failed_index = out->maps.uid.map != nullptr ? out->maps.uid.step : out->maps.gid.step;
    return failed_with(EINVAL, "id map without a user namespace");
  }
  for (uint32_t i = 0; i < request.host->cgroup_count; i++) {
    const CgroupMembership& membership = request.host->cgroups[i];
    if (membership.v2) out->v2_cgroup = membership.directory.get();
  }
  return fine();
}

Status become_root() {
  // Refused where setgroups is denied for the namespace; then the groups stay, and name nothing in it.
  if (syscall(SYS_setgroups, 0, nullptr) != 0 && errno != EPERM) return failed("drop groups");
  if (syscall(SYS_setresgid, 0, 0, 0) != 0 || syscall(SYS_setresuid, 0, 0, 0) != 0)
    return failed("become root");
  return fine();
}

void run_newborn(const SpawnRequest& request, const ClonePhase& phase, const int* stdio, int report,
                 int channel) {
  // Nobody may look into what is left of the monitor here. (Maps are written first: see spawn().)
  if (!phase.maps.any()) set_dumpable(false);
  setsid();
  uint32_t step = kNoStep;
  Status status = request.terminal ? fine() : take_stdio(stdio);
  if (status.ok()) status = enter(request, phase, &step);
  if (status.ok() && phase.maps.any()) {
    char go;
    // No byte: the monitor failed, which it knows.
    if (retry([&] { return read(channel, &go, 1); }) != 1) _exit(kEngineExit);
  }
  if (status.ok() && enters_user_namespace(phase)) {
    status = become_root();
    set_dumpable(false);
  }
  if (status.ok() && (phase.join & kCloneNewNs) != 0) {
    step = phase.join_step;
    status = enter_root(request);
  }
  if (status.ok() && (phase.flags & kCloneNewCgroup) != 0) {
    step = phase.clone_step;
    if (unshare(CLONE_NEWCGROUP) != 0) status = failed("new cgroup namespace");
  }
  if (!status.ok()) report_failure(report, step, status, kEngineExit);
  umask(0);

  Inside inside;
  inside.plan = request.plan;
  inside.report = report;
  inside.channel = channel;
  inside.terminal = request.terminal;
  inside.rows = request.rows;
  inside.columns = request.columns;
  inside.joined = phase.join != 0;
  run_inside(&inside);
}

}  // namespace vaina
