// Owners, modes, extended attributes and times of unpacked files, in this order: a change of owner clears the
// set-user-id bit, and a write clears file capabilities.
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "unpack.h"

namespace vaina {
namespace {

bool starts_with(const char* text, const char* prefix) {
  return strncmp(text, prefix, strlen(prefix)) == 0;
}

// Overlay's own marks come from whiteouts only; labels belong to the host's policy.
bool is_reserved(const char* name) {
  return starts_with(name, "trusted.overlay.") || starts_with(name, "user.overlay.") ||
         strcmp(name, "security.selinux") == 0;
}

}  // namespace

// With `name`, of the entry of that name in the current directory; else of the descriptor.
Status Unpack::set_xattrs(int fd, const char* name, const char* path, Meta meta) {
  for (uint32_t i = 0; i < meta.xattr_count; i++) {
    const char* key = meta.xattrs.text();
    uint32_t size = meta.xattrs.number<uint32_t>();
    const uint8_t* value = meta.xattrs.bytes(size);
    if (!meta.xattrs.ok()) return failed_with(EPROTO, "frame");
    if (is_reserved(key)) continue;
    int result = name != nullptr ? lsetxattr(name, key, value, size, 0) : fsetxattr(fd, key, value, size, 0);
    if (result == 0 || errno == ENOTSUP) continue;
    // No user namespace may set trusted.*; links and nodes have no user.* (the kernel's rule, for everyone).
    if (errno == EPERM && (rootless() || (name != nullptr && starts_with(key, "user.")))) continue;
    return failed("setxattr", path);
  }
  return fine();
}

Status Unpack::apply_to_fd(int fd, const char* path, const Meta& meta) {
  if (fchown(fd, meta.uid, meta.gid) != 0 && !may_keep_owner()) return failed("chown", path);
  if (fchmod(fd, meta.mode) != 0) return failed("chmod", path);
  Status status = set_xattrs(fd, nullptr, path, meta);
  if (!status.ok()) return status;
  return futimens(fd, meta.times) == 0 ? fine() : failed("utimens", path);
}

// Of what was just made, so that the name is known not to be a link unless `type` says so.
Status Unpack::apply_to_name(const Place& place, const char* path, mode_t type, const Meta& meta) {
  if (fchownat(place.parent, place.name, meta.uid, meta.gid, AT_SYMLINK_NOFOLLOW) != 0 && !may_keep_owner()) {
    return failed("chown", path);
  }
  if (type != S_IFLNK && fchmodat(place.parent, place.name, meta.mode, 0) != 0) return failed("chmod", path);
  if (meta.xattr_count > 0) {
    // There is no setxattrat before Linux 6.13.
    if (fchdir(place.parent) != 0) return failed("fchdir", path);
    Status status = set_xattrs(-1, place.name, path, meta);
    if (!status.ok()) return status;
  }
  if (utimensat(place.parent, place.name, meta.times, AT_SYMLINK_NOFOLLOW) != 0)
    return failed("utimens", path);
  return fine();
}

}  // namespace vaina
