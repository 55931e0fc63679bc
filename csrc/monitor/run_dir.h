#pragma once

#include <stddef.h>

#include "../sys/status.h"
#include "../sys/unique_fd.h"

namespace vaina {

// The container's directory in the runroot.
class RunDir {
 public:
  // Makes it, if it is missing, and takes the lock on `alive`; EBUSY when another monitor has it. Nothing is
  // changed then.
  Status open(const char* path);
  // Listens on `ctl.sock`.
  Status listen(UniqueFd* socket);
  // Writes a file whole or not at all, and replaces an old one.
  Status write(const char* name, const char* text, size_t size);
  // Removes what only a living monitor has, and lets go of the lock.
  void release();

  bool locked() const { return alive_.ok(); }

 private:
  const char* path_ = nullptr;
  UniqueFd directory_;
  UniqueFd alive_;
};

// Writes a file at an absolute path whole or not at all, and replaces an old one.
Status write_whole_file(const char* path, const char* text, size_t size);

}  // namespace vaina
