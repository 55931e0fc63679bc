#pragma once

#include <limits.h>
#include <stdint.h>
#include <sys/types.h>

#include "status.h"
#include "unique_fd.h"

namespace vaina {

// Paths of a container, resolved as if `root` were `/` and never out of it (openat2 with RESOLVE_IN_ROOT and
// RESOLVE_NO_MAGICLINKS). Every path is resolved once, to a descriptor; what is done, is done to the
// descriptor.
class Rooted {
 public:
  explicit Rooted(int root) : root_(root) {}

  // Opens what exists. `flags` as for open(2); O_CLOEXEC is added, and O_PATH never blocks nor has side
  // effects. `resolve` adds RESOLVE_* bits. With a failure errno tells.
  UniqueFd open(const char* path, int flags, uint64_t resolve = 0) const;

  // O_PATH descriptor of the directory, which is made with its missing parents (mode 0755).
  Status make_directory(const char* path, UniqueFd* out, uint64_t resolve = 0) const;

  // O_PATH descriptor of the file; an empty one (mode 0644) is made when there is nothing.
  Status make_file(const char* path, UniqueFd* out, uint64_t resolve = 0) const;

  // The directory that the path's last part is in, made when missing, and that last part, which is copied to
  // `name`.
  Status parent(const char* path, UniqueFd* directory, char (&name)[NAME_MAX + 1]) const;

 private:
  UniqueFd make_last(char* path, uint64_t resolve) const;

  int root_;
};

}  // namespace vaina
