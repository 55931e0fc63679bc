#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "../sys/unique_fd.h"

namespace vaina {

// A descriptor that somebody gave us for input or output. It may be shared with other processes, so its
// O_NONBLOCK must stay as it is; all the same nothing here blocks, unless it is a regular file.
class StdioFd {
 public:
  enum class Use { kRead, kWrite };

  // Nothing, for /dev/null: there is no client.
  static StdioFd adopt(UniqueFd fd, Use use);

  int get() const { return fd_.get(); }
  bool ok() const { return fd_.ok(); }

  // As read(2) and write(2) on a descriptor with O_NONBLOCK, without EINTR. Both may move fewer bytes than
  // there are.
  ssize_t read(void* data, size_t size);
  ssize_t write(const void* data, size_t size);

 private:
  enum class Kind {
    kOwn,     // a description of our own, non-blocking
    kSocket,  // MSG_DONTWAIT
    kFile,    // never blocks for long
    kShared,  // could not be opened again: asks before each call
  };
  UniqueFd fd_;
  Kind kind_ = Kind::kFile;
};

}  // namespace vaina
