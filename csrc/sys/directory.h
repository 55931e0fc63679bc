#pragma once

#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

namespace vaina {

// One entry of a directory as getdents64(2) gives it.
struct DirectoryEntry {
  uint64_t inode;
  int64_t next;  // where the entry after this one starts, for lseek
  uint8_t type;  // DT_*
  const char* name;
};

// Reads a directory in pieces, from where the descriptor stands. It does not own the descriptor.
class DirectoryReader {
 public:
  explicit DirectoryReader(int fd) : fd_(fd) {}

  // The next entry but `.` and `..`; false at the end or with an error (then error() is not 0). The name
  // stays until the next call.
  bool next(DirectoryEntry* out);
  int error() const { return error_; }
  // Forgets what was read ahead, after the descriptor was moved or exchanged.
  void restart(int fd);

 private:
  int fd_;
  int error_ = 0;
  ssize_t size_ = 0;
  ssize_t at_ = 0;
  alignas(8) char buffer_[4096];
};

// The name of the first directory in it; false when there is none.
bool first_subdirectory(int fd, char (&name)[NAME_MAX + 1]);

}  // namespace vaina
