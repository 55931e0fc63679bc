#include "mount.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>

#include "io.h"
#include "syscalls.h"

namespace vaina {
namespace {

// Longest single option: a path and some.
constexpr size_t kMaxOption = 4352;

struct PropagationWord {
  const char* word;
  unsigned long flag;
};

constexpr PropagationWord kPropagationWords[] = {
    {"private", MS_PRIVATE},
    {"slave", MS_SLAVE},
    {"shared", MS_SHARED},
    {"unbindable", MS_UNBINDABLE},
};

}  // namespace

Status blame_context(int fs, const char* what) {
  // One message is enough: a process reports one failure.
  static char message[256];
  Status status = failed(what);
  ssize_t size = read(fs, message, sizeof message - 1);
  if (size <= 2) return status;
  // "e overlay: text\n": the first letter is the severity.
  message[size] = '\0';
  char* end = strchr(message, '\n');
  if (end != nullptr) *end = '\0';
  status.note = message + 2;
  return status;
}

Status configure(int fs, const char* options) {
  char option[kMaxOption];
  while (*options != '\0') {
    size_t length = strcspn(options, ",");
    if (length >= sizeof option) return failed_with(ENAMETOOLONG, "mount option");
    memcpy(option, options, length);
    option[length] = '\0';
    options += length;
    if (*options == ',') options++;
    if (length == 0) continue;
    char* value = strchr(option, '=');
    int result;
    if (value != nullptr) {
      *value++ = '\0';
      result = sys_fsconfig(fs, kFsconfigSetString, option, value, 0);
    } else {
      result = sys_fsconfig(fs, kFsconfigSetFlag, option, nullptr, 0);
    }
    if (result != 0) return blame_context(fs, "mount option");
  }
  return fine();
}

Status new_mount(const char* type, const char* source, uint64_t attributes, const char* options,
                 UniqueFd* out) {
  UniqueFd fs(sys_fsopen(type, kFsopenCloexec));
  if (!fs.ok()) return failed("open file system");
  if (source[0] != '\0' && sys_fsconfig(fs.get(), kFsconfigSetString, "source", source, 0) != 0) {
    return blame_context(fs.get(), "mount source");
  }
  Status status = configure(fs.get(), options);
  if (!status.ok()) return status;
  if (sys_fsconfig(fs.get(), kFsconfigCreate, nullptr, nullptr, 0) != 0)
    return blame_context(fs.get(), "mount");
  *out = UniqueFd(sys_fsmount(fs.get(), kFsmountCloexec, attributes));
  return out->ok() ? fine() : failed("mount");
}

UniqueFd clone_mount(const char* path, bool recursive) {
  return UniqueFd(
      sys_open_tree(AT_FDCWD, path, kOpenTreeClone | kOpenTreeCloexec | (recursive ? kAtRecursive : 0)));
}

UniqueFd clone_mount(int fd, bool recursive) {
  return UniqueFd(sys_open_tree(fd, "",
                                kOpenTreeClone | kOpenTreeCloexec | static_cast<unsigned>(kAtEmptyPath) |
                                    (recursive ? kAtRecursive : 0)));
}

Status set_attributes(int mount, uint64_t attributes, bool recursive) {
  MountAttr attr{attributes, 0, 0, 0};
  // The ways to keep access times exclude each other: the old one has to go.
  if ((attributes & kMountAttrAtimeMask) != 0) attr.clear = kMountAttrAtimeMask;
  unsigned flags = static_cast<unsigned>(kAtEmptyPath) | (recursive ? kAtRecursive : 0);
  return sys_mount_setattr(mount, "", flags, attr) == 0 ? fine() : failed("set attributes");
}

Status set_propagation(int mount, const char* word) {
  bool recursive = word[0] == 'r';
  const char* rest = recursive ? word + 1 : word;
  for (const PropagationWord& known : kPropagationWords) {
    if (strcmp(rest, known.word) != 0) continue;
    MountAttr attr{0, 0, known.flag, 0};
    unsigned flags = static_cast<unsigned>(kAtEmptyPath) | (recursive ? kAtRecursive : 0);
    return sys_mount_setattr(mount, "", flags, attr) == 0 ? fine() : failed("set propagation");
  }
  return failed_with(EINVAL, "set propagation");
}

Status attach(int mount, int target) {
  return sys_move_mount(mount, "", target, "", kMoveMountFromEmpty | kMoveMountToEmpty) == 0
             ? fine()
             : failed("attach mount");
}

}  // namespace vaina
