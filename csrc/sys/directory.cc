#include "directory.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace vaina {
namespace {

// struct linux_dirent64: u64 inode, s64 next, u16 length, u8 type, name.
constexpr size_t kNextAt = 8, kLengthAt = 16, kTypeAt = 18, kNameAt = 19;

}  // namespace

bool DirectoryReader::next(DirectoryEntry* out) {
  while (true) {
    if (at_ >= size_) {
      size_ = syscall(SYS_getdents64, fd_, buffer_, sizeof buffer_);
      at_ = 0;
      if (size_ <= 0) {
        error_ = size_ < 0 ? errno : 0;
        size_ = 0;
        return false;
      }
    }
    const char* entry = buffer_ + at_;
    uint16_t length;
    memcpy(&length, entry + kLengthAt, sizeof length);
    at_ += length;
    const char* name = entry + kNameAt;
    memcpy(&out->inode, entry, sizeof out->inode);
    memcpy(&out->next, entry + kNextAt, sizeof out->next);
    out->type = static_cast<uint8_t>(entry[kTypeAt]);
    out->name = name;
    if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0) return true;
  }
}

void DirectoryReader::restart(int fd) {
  fd_ = fd;
  size_ = at_ = 0;
  error_ = 0;
}

bool first_subdirectory(int fd, char (&name)[NAME_MAX + 1]) {
  if (lseek(fd, 0, SEEK_SET) != 0) return false;
  DirectoryReader reader(fd);
  DirectoryEntry entry;
  while (reader.next(&entry)) {
    if (entry.type != DT_DIR) continue;
    size_t length = strlen(entry.name);
    if (length > NAME_MAX) continue;
    memcpy(name, entry.name, length + 1);
    return true;
  }
  return false;
}

}  // namespace vaina
