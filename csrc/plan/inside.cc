#include "inside.h"

#include <errno.h>
#include <fcntl.h>

#include "../sys/syscalls.h"
#include "newborn.h"

namespace vaina {
namespace {

constexpr uint32_t kEngineExit = 125;
constexpr uint32_t kCannotExecute = 126;
constexpr uint32_t kNotFound = 127;

Status run_step(const Step& step, Inside* inside) {
  switch (step.op()) {
    case Op::kPropagation:
    case Op::kOverlay:
    case Op::kRootBind:
    case Op::kMount:
    case Op::kBind:
    case Op::kPivotRoot:
    case Op::kRootAttributes:
      return run_mount_step(step, inside);
    case Op::kMkdir:
    case Op::kMknod:
    case Op::kSymlink:
    case Op::kMask:
    case Op::kReadonly:
    case Op::kConsole:
    case Op::kWorkdir:
      return run_path_step(step, inside);
    case Op::kHostname:
    case Op::kDomainname:
    case Op::kSysctl:
    case Op::kRlimit:
    case Op::kOomScoreAdj:
    case Op::kLinkUp:
    case Op::kKeyring:
      return run_kernel_step(step, inside);
    case Op::kUmask:
    case Op::kBounding:
    case Op::kUser:
    case Op::kCapabilities:
    case Op::kNoNewPrivileges:
    case Op::kSeccomp:
    case Op::kParentDeathSignal:
      return run_identity_step(step, inside);
    case Op::kEnv:
      inside->env = step;
      inside->env_set = true;
      return fine();
    case Op::kInit:
      inside->init = true;
      return fine();
    case Op::kExec:
    case Op::kPause:
    case Op::kStorage:
      return run_last_step(step, inside);
    default:
      return failed_with(ENOSYS, step.name());
  }
}

uint32_t exit_code(const Step& step, const Status& status) {
  if (step.op() != Op::kExec) return kEngineExit;
  return status.error == ENOENT ? kNotFound : kCannotExecute;
}

}  // namespace

void run_inside(Inside* inside) {
  if (inside->terminal && !inside->plan->has(Op::kConsole)) {
    Status status = make_console(inside, false);
    if (!status.ok()) report_failure(inside->report, kNoStep, status, kEngineExit);
  }
  for (const Step& step : inside->plan->steps(Phase::kInside)) {
    Status status = run_step(step, inside);
    if (!status.ok()) report_failure(inside->report, step.index(), status, exit_code(step, status));
  }
  report_failure(inside->report, kNoStep, failed_with(EBADMSG, "plan: nothing to run"), kEngineExit);
}

Status need_root(Inside* inside) {
  if (inside->root.ok()) return fine();
  inside->root = UniqueFd(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
  return inside->root.ok() ? fine() : failed("open", "/");
}

Status seal_descriptors(Inside* inside) {
  if (inside->sealed) return fine();
  inside->sealed = true;
  return sys_close_range(3, ~0u, kCloseRangeCloexec) == 0 ? fine() : failed("close descriptors");
}

}  // namespace vaina
