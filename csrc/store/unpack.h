#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>

#include "../sys/status.h"
#include "../sys/unique_fd.h"
#include "protocol.h"

namespace vaina {

// What a `meta` of the protocol holds; `xattrs` are decoded where they are set.
struct Meta {
  uint32_t mode;
  uint32_t uid;
  uint32_t gid;
  struct timespec times[2];
  uint16_t xattr_count;
  Cursor xattrs;
};

// Writes the entries of one layer below one directory. Parents are resolved as if that directory were `/`, as
// container engines do; the last component of a name is never followed. Nobody else writes there meanwhile.
class Unpack {
 public:
  Unpack(UniqueFd root, uint32_t flags) : root_(take(root)), flags_(flags) {}

  // One frame each. A status that is not fine ends the unpacking; its path points into the frame or into this
  // object.
  Status entry(Cursor body);
  Status file(Cursor body);
  Status data(Cursor body);
  Status end(Cursor body);
  Status times(Cursor body);
  Status finish();

 private:
  struct Place {
    int parent;
    const char* name;
  };
  enum class Missing { kMake, kMakeUnlessDeleted };

  bool rootless() const { return (flags_ & kRootless) != 0; }
  const char* opaque_name() const { return rootless() ? "user.overlay.opaque" : "trusted.overlay.opaque"; }

  Status place(const char* path, Missing missing, Place* out);
  Status make_parents(const char* path, size_t size, Missing missing, UniqueFd* out);
  Status displace(const Place& place, bool keep_directory, bool* was_whiteout);
  void forget_parent() {
    parent_.reset();
    parent_size_ = 0;
  }

  Status directory(const char* path, const Meta& meta);
  Status symlink(const char* path, const char* target, const Meta& meta);
  Status hard_link(const char* path, const char* target, const Meta& meta);
  Status node(const char* path, mode_t type, uint32_t major, uint32_t minor, const Meta& meta);
  Status whiteout(const char* path, const Meta& meta);
  Status opaque(const char* path);

  Status apply_to_fd(int fd, const char* path, const Meta& meta);
  Status apply_to_name(const Place& place, const char* path, mode_t type, const Meta& meta);
  Status set_xattrs(int fd, const char* name, const char* path, Meta meta);
  // Whether a failure to change the owner is to be overlooked.
  bool may_keep_owner() const { return (flags_ & kSingleId) != 0; }

  UniqueFd root_;
  uint32_t flags_;
  // The parent of the last entry: most entries are beside the one before them.
  UniqueFd parent_;
  size_t parent_size_ = 0;
  char parent_path_[4096];
  // The regular file that is being written.
  UniqueFd file_;
  uint64_t written_ = 0;
  char path_[4096];
};

}  // namespace vaina
