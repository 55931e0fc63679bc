#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../sys/mount.h"
#include "../sys/rooted.h"
#include "../sys/syscalls.h"
#include "inside.h"

namespace vaina {
namespace {

constexpr uint64_t kBindRecursive = 1, kBindOptional = 2, kBindAttributesRecursive = 4;
constexpr uint32_t kMaxLower = 500;

// Words for a failure of which the steps below know the target.
Status blame(const Status& status, const char* what, const char* subject, const char* target) {
  return Status{status.error, what, subject, target, status.note};
}

Status set_root_propagation(const Step& step) {
  return mount(nullptr, "/", nullptr, step.num(0), nullptr) == 0 ? fine() : failed("set propagation", "/");
}

Status make_overlay(const Step& step, Inside* inside) {
  uint32_t count = step.count() - 4;
  const char* lower[kMaxLower + 1];
  if (count > kMaxLower) return failed_with(E2BIG, "overlay directories");
  step.strings(4, lower);
  return new_overlay(lower, count, step.str(1), step.str(2), step.str(3), step.str(0), &inside->root);
}

Status bind_root(const Step& step, Inside* inside) {
  inside->root = clone_mount(step.str(0), true);
  if (!inside->root.ok()) return failed("bind", step.str(1), step.str(0));
  UniqueFd staging(open(step.str(1), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!staging.ok()) return failed("open", step.str(1));
  Status status = attach(inside->root.get(), staging.get());
  return status.ok() ? status : blame(status, "bind", step.str(0), step.str(1));
}

// A descriptor of the new procfs, and of its sys, stays valid whatever is mounted over them.
Status keep_file_system(const char* type, UniqueFd mounted, Inside* inside) {
  if (strcmp(type, "proc") == 0) {
    if (inside->plan->has(Op::kSysctl)) {
      inside->proc_sys = UniqueFd(openat(mounted.get(), "sys", O_PATH | O_DIRECTORY | O_CLOEXEC));
      if (!inside->proc_sys.ok()) return failed("open", "/proc/sys");
    }
    inside->proc = take(mounted);
  } else if (strcmp(type, "devpts") == 0) {
    inside->devpts = take(mounted);
  }
  return fine();
}

Status mount_new(const Step& step, Inside* inside) {
  const char *type = step.str(0), *target = step.str(2);
  UniqueFd place, mounted;
  uint64_t rules = place_rules(target);
  if (strcmp(type, "proc") == 0 || strcmp(type, "sysfs") == 0) rules |= kResolveNoSymlinks;
  Status status = Rooted(inside->root.get()).make_directory(target, &place, rules);
  if (status.ok()) status = new_mount(type, step.str(1), step.num(3), step.str(4), &mounted);
  if (status.ok()) status = attach(mounted.get(), place.get());
  if (!status.ok()) return blame(status, "mount", type, target);
  return keep_file_system(type, take(mounted), inside);
}

Status bind(const Step& step, Inside* inside) {
  const char *source = step.str(0), *target = step.str(1), *propagation = step.str(4);
  uint64_t attributes = step.num(2), flags = step.num(3);
  if (source[0] != '/' || inside->pivoted || inside->joined)
    return failed_with(EINVAL, "bind", target, source);
  UniqueFd tree = clone_mount(source, (flags & kBindRecursive) != 0);
  if (!tree.ok()) {
    if (errno == ENOENT && (flags & kBindOptional) != 0) return fine();
    return failed("bind", target, source);
  }
  Status status;
  if (attributes != 0)
    status = set_attributes(tree.get(), attributes, (flags & kBindAttributesRecursive) != 0);
  if (status.ok() && propagation[0] != '\0') status = set_propagation(tree.get(), propagation);
  struct stat info;
  if (status.ok() && fstat(tree.get(), &info) != 0) status = failed("stat");
  if (status.ok()) {
    Rooted rooted(inside->root.get());
    UniqueFd place;
    uint64_t rules = place_rules(target);
    status = S_ISDIR(info.st_mode) ? rooted.make_directory(target, &place, rules)
                                   : rooted.make_file(target, &place, rules);
    if (status.ok()) status = attach(tree.get(), place.get());
    // The kernel says EINVAL of a file over a directory.
    struct stat there;
    if (status.error == EINVAL && fstat(place.get(), &there) == 0 && S_ISDIR(there.st_mode) &&
        !S_ISDIR(info.st_mode)) {
      status.error = EISDIR;
    }
  }
  return status.ok() ? status : blame(status, "bind", source, target);
}

// With both arguments `.` the old root lies on the new one, which needs no directory for it.
Status pivot(Inside* inside) {
  const char* what = "pivot root";
  if (!inside->root.ok() || inside->pivoted || inside->joined) return failed_with(EINVAL, what);
  Status status = prepare_masks(inside, true);
  if (!status.ok()) return status;
  Step propagation;
  bool shared = !inside->plan->find(Op::kPropagation, &propagation) || (propagation.num(0) & MS_SHARED) != 0;
  if (fchdir(inside->root.get()) != 0 || sys_pivot_root(".", ".") != 0) return failed(what);
  // The host's mounts must not see that ours go.
  if (shared && mount(nullptr, ".", nullptr, MS_SLAVE | MS_REC, nullptr) != 0) return failed(what);
  if (umount2(".", MNT_DETACH) != 0 || chdir("/") != 0) return failed(what);
  inside->pivoted = true;
  return fine();
}

}  // namespace

uint64_t place_rules(const char* target) {
  target += strspn(target, "/");
  size_t length = strcspn(target, "/");
  constexpr const char* kNames[] = {"dev", "proc", "sys"};
  for (const char* name : kNames) {
    if (strlen(name) == length && strncmp(target, name, length) == 0) return kResolveNoSymlinks;
  }
  return 0;
}

Status run_mount_step(const Step& step, Inside* inside) {
  switch (step.op()) {
    case Op::kPropagation:
      return set_root_propagation(step);
    case Op::kOverlay:
      return make_overlay(step, inside);
    case Op::kRootBind:
      return bind_root(step, inside);
    default:
      break;
  }
  Status status = need_root(inside);
  if (!status.ok()) return status;
  switch (step.op()) {
    case Op::kMount:
      return mount_new(step, inside);
    case Op::kBind:
      return bind(step, inside);
    case Op::kPivotRoot:
      return pivot(inside);
    default:
      status = set_attributes(inside->root.get(), step.num(0), false);
      return status.ok() ? status : blame(status, "set attributes of", nullptr, "/");
  }
}

}  // namespace vaina
