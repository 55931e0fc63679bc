#include "after.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../sys/cgroup.h"
#include "../sys/idmap.h"
#include "../sys/io.h"
#include "../sys/process.h"
#include "../sys/remove_tree.h"
#include "../sys/syscalls.h"
#include "newborn.h"

namespace vaina {
namespace {

// What the child says when it could not remove all; the words are made here.
[[noreturn]] void remove_as_root(const char* path, int report) {
  Status status = become_root();
  if (status.ok()) status = remove_tree(path);
  write_whole(report, &status.error, sizeof status.error);
  _exit(0);
}

// Removes in the container's user namespace, where the ids of the files are ours; a new one with the same
// maps when the container never came so far.
Status remove_in_user_namespace(const char* path, const IdMaps& maps, const HostState& state) {
  const char* what = "remove";
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return failed(what, path);
  UniqueFd ours(ends[0]), theirs(ends[1]);
  bool existing = state.user_namespace.ok();
  CloneArgs args{};
  args.exit_signal = SIGCHLD;
  if (!existing) args.flags = kCloneNewUser;
  set_dumpable(true);  // so that we may write the maps of the child
  pid_t pid = sys_clone3(&args);
  if (pid == 0) {
    ours.reset();
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    char go;
    int error = 0;
    if (existing) {
      set_dumpable(false);
      if (setns(state.user_namespace.get(), CLONE_NEWUSER) != 0) error = errno;
    } else if (retry([&] { return read(theirs.get(), &go, 1); }) != 1) {
      _exit(1);
    }
    if (error != 0) {
      write_whole(theirs.get(), &error, sizeof error);
      _exit(0);
    }
    remove_as_root(path, theirs.get());
  }
  Status status;
  if (pid < 0) {
    status = failed(what, path);
    set_dumpable(false);
    return status;
  }
  theirs.reset();
  uint32_t unused;
  if (!existing) status = write_id_maps(pid, maps, &unused);
  set_dumpable(false);
  if (!status.ok()) {
    ours.reset();
    wait_for(pid);
    return status;
  }
  int error = EIO;
  char go = 0;
  if (!existing) write_whole(ours.get(), &go, 1);
  if (retry([&] { return read(ours.get(), &error, sizeof error); }) != sizeof error) error = EIO;
  wait_for(pid);
  return error == 0 ? fine() : failed_with(error, what, path);
}

}  // namespace

Status run_after(const Plan& plan, HostState* state, uint32_t* failed_index) {
  Status result;
  IdMaps maps = read_id_maps(plan);
  // Root may remove what belongs to anybody; the mapped root may not even look into root's directories.
  bool mapped = maps.any() && geteuid() != 0;
  for (const Step& step : plan.steps(Phase::kAfter)) {
    Status status;
    switch (step.op()) {
      case Op::kCgroupRemove:
        status = remove_cgroup(step.str(0));
        break;
      case Op::kRemoveTree:
        status = mapped ? remove_in_user_namespace(step.str(0), maps, *state) : remove_tree(step.str(0));
        break;
      case Op::kRemoveRunDir:
        break;
      default:
        status = failed_with(ENOSYS, step.name());
    }
    if (status.ok() || !result.ok()) continue;
    result = status;
    *failed_index = step.index();
  }
  return result;
}

Status remove_run_dir(const char* path) {
  return remove_tree(path);
}

}  // namespace vaina
