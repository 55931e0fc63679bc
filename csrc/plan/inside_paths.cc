#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "../sys/mount.h"
#include "../sys/rooted.h"
#include "../sys/syscalls.h"
#include "inside.h"

namespace vaina {
namespace {

Status make_directory(const Step& step, const Rooted& rooted) {
  const char* path = step.str(0);
  UniqueFd parent = rooted.open(path, O_PATH);
  if (parent.ok()) return fine();
  char name[NAME_MAX + 1];
  Status status = rooted.parent(path, &parent, name);
  if (!status.ok()) return status;
  if (mkdirat(parent.get(), name, static_cast<mode_t>(step.num(1))) == 0 || errno == EEXIST) return fine();
  return failed("make directory", path);
}

Status make_node(const Step& step, const Rooted& rooted) {
  const char* path = step.str(0);
  mode_t mode = static_cast<mode_t>(step.num(1));
  dev_t device = makedev(static_cast<unsigned>(step.num(2)), static_cast<unsigned>(step.num(3)));
  UniqueFd parent;
  char name[NAME_MAX + 1];
  Status status = rooted.parent(path, &parent, name);
  if (!status.ok()) return status;
  if (mknodat(parent.get(), name, mode, device) != 0) {
    if (errno != EEXIST) return failed("make node", path);
    // The same node may be there already, of a root that has its own /dev.
    struct stat info;
    if (fstatat(parent.get(), name, &info, AT_SYMLINK_NOFOLLOW) != 0) return failed("make node", path);
    bool same = (info.st_mode & S_IFMT) == (mode & S_IFMT) && info.st_rdev == device;
    return same ? fine() : failed_with(EEXIST, "make node", path);
  }
  uid_t uid = static_cast<uid_t>(step.num(4));
  gid_t gid = static_cast<gid_t>(step.num(5));
  if ((uid != 0 || gid != 0) && fchownat(parent.get(), name, uid, gid, AT_SYMLINK_NOFOLLOW) != 0) {
    return failed("change owner of", path);
  }
  return fine();
}

// Something that is there already stays.
Status make_link(const Step& step, const Rooted& rooted) {
  UniqueFd parent;
  char name[NAME_MAX + 1];
  Status status = rooted.parent(step.str(1), &parent, name);
  if (!status.ok()) return status;
  if (symlinkat(step.str(0), parent.get(), name) == 0 || errno == EEXIST) return fine();
  return failed("make link", step.str(1));
}

bool missing(int error) {
  return error == ENOENT || error == ENOTDIR;
}

Status mask_directory(Inside* inside, const UniqueFd& place) {
  if (inside->empty.ok()) {
    UniqueFd copy = clone_mount(inside->empty.get(), false);
    return copy.ok() ? attach(copy.get(), place.get()) : failed("mask");
  }
  uint64_t attributes = kMountAttrReadonly | kMountAttrNosuid | kMountAttrNodev | kMountAttrNoexec;
  Status status = new_mount("tmpfs", "tmpfs", attributes, "ro,size=0,mode=0755", &inside->empty);
  return status.ok() ? attach(inside->empty.get(), place.get()) : status;
}

Status mask_file(Inside* inside, const UniqueFd& place) {
  Status status = prepare_masks(inside, false);
  if (!status.ok()) return status;
  if (inside->null_mount.ok()) {
    inside->null = take(inside->null_mount);
    return attach(inside->null.get(), place.get());
  }
  UniqueFd copy = clone_mount(inside->null.get(), false);
  return copy.ok() ? attach(copy.get(), place.get()) : failed("mask");
}

Status mask(const char* path, Inside* inside, const Rooted& rooted) {
  UniqueFd place = rooted.open(path, O_PATH);
  if (!place.ok()) return missing(errno) ? fine() : failed("mask", path);
  struct stat info;
  if (fstat(place.get(), &info) != 0) return failed("mask", path);
  Status status = S_ISDIR(info.st_mode) ? mask_directory(inside, place) : mask_file(inside, place);
  return status.ok() ? status : failed_with(status.error, "mask", path);
}

Status make_readonly(const char* path, const Rooted& rooted) {
  const char* what = "make read-only";
  UniqueFd place = rooted.open(path, O_PATH);
  if (!place.ok()) return missing(errno) ? fine() : failed(what, path);
  // The place of a mount needs no second one.
  Status status = set_attributes(place.get(), kMountAttrReadonly, true);
  if (status.error != EINVAL) return status.ok() ? status : failed_with(status.error, what, path);
  UniqueFd copy = clone_mount(place.get(), true);
  if (!copy.ok()) return failed(what, path);
  status = set_attributes(copy.get(), kMountAttrReadonly, true);
  if (status.ok()) status = attach(copy.get(), place.get());
  return status.ok() ? status : failed_with(status.error, what, path);
}

Status change_directory(const Step& step, Inside* inside, const Rooted& rooted) {
  const char* path = step.str(0);
  const char* what = "change directory to";
  // pivot_root changes it once more.
  if (!inside->pivoted && inside->plan->has(Op::kPivotRoot)) return failed_with(EINVAL, what, path);
  UniqueFd directory;
  if (step.num(1) != 0) {
    Status status = rooted.make_directory(path, &directory);
    if (!status.ok()) return failed_with(status.error, what, path);
  } else {
    directory = rooted.open(path, O_PATH | O_DIRECTORY);
    if (!directory.ok()) return failed(what, path);
  }
  if (fchdir(directory.get()) != 0) return failed(what, path);
  // The kernel prefixes what cannot be reached from the root with "(unreachable)".
  char real[PATH_MAX];
  if (syscall(SYS_getcwd, real, sizeof real) < 0) return errno == ERANGE ? fine() : failed(what, path);
  return real[0] == '/' ? fine() : failed_with(ENOENT, what, path);
}

}  // namespace

Status prepare_masks(Inside* inside, bool last_chance) {
  Step next;
  if (last_chance) {
    // Of the host's mounts a copy can only be made while they are there.
    Step pivot;
    bool later =
        inside->plan->find(Op::kPivotRoot, &pivot) && inside->plan->find(Op::kMask, &next, pivot.index());
    if (!later || inside->null.ok()) {
      if (!later) inside->null.reset();
      return fine();
    }
  }
  if (inside->null.ok() || inside->null_mount.ok()) return fine();
  const char* path = "/dev/null";
  if (inside->pivoted || inside->joined) return failed_with(EINVAL, "open", path);
  UniqueFd null(open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC));
  struct stat info;
  if (!null.ok() || fstat(null.get(), &info) != 0) return failed("open", path);
  if (!S_ISCHR(info.st_mode) || info.st_rdev != makedev(1, 3)) return failed_with(ENODEV, "open", path);
  inside->null_mount = clone_mount(null.get(), false);
  if (!inside->null_mount.ok()) return failed("bind", path);
  // What is written to a device goes to its driver, read-only or not; its mode, owner and times stay the
  // host's.
  constexpr uint64_t kAttributes = kMountAttrReadonly | kMountAttrNosuid | kMountAttrNoexec;
  Status status = set_attributes(inside->null_mount.get(), kAttributes, false);
  return status.ok() ? status : failed_with(status.error, "set attributes of", path);
}

Status run_path_step(const Step& step, Inside* inside) {
  Status status = need_root(inside);
  if (!status.ok()) return status;
  Rooted rooted(inside->root.get());
  switch (step.op()) {
    case Op::kMkdir:
      return make_directory(step, rooted);
    case Op::kMknod:
      return make_node(step, rooted);
    case Op::kSymlink:
      return make_link(step, rooted);
    case Op::kMask:
      return mask(step.str(0), inside, rooted);
    case Op::kReadonly:
      return make_readonly(step.str(0), rooted);
    case Op::kConsole:
      return make_console(inside, true);
    default:
      return change_directory(step, inside, rooted);
  }
}

}  // namespace vaina
