#include "remove_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "directory.h"
#include "io.h"
#include "syscalls.h"

namespace vaina {
namespace {

// Directories kept open at once; those above are opened again, by `..`, when the walk is back.
constexpr size_t kOpen = 32;
// How often one entry may turn out not to be empty after it was emptied: somebody else writes there.
constexpr int kMaxReturns = 100;

struct Level {
  dev_t device;
  ino_t inode;
  int64_t here;  // where the entry that is being removed starts in the directory
  int returns;
};

// The levels of the walk; grows by pages, as a tree may be as deep as somebody had patience.
class Levels {
 public:
  ~Levels() {
    if (levels_ != nullptr) munmap(levels_, capacity_ * sizeof(Level));
  }
  bool push(const Level& level) {
    if (count_ == capacity_) {
      size_t larger = capacity_ == 0 ? 4096 / sizeof(Level) : capacity_ * 2;
      void* memory =
          mmap(nullptr, larger * sizeof(Level), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      if (memory == MAP_FAILED) return false;
      if (levels_ != nullptr) {
        memcpy(memory, levels_, count_ * sizeof(Level));
        munmap(levels_, capacity_ * sizeof(Level));
      }
      levels_ = static_cast<Level*>(memory);
      capacity_ = larger;
    }
    levels_[count_++] = level;
    return true;
  }
  void pop() { count_--; }
  Level& top() { return levels_[count_ - 1]; }
  size_t count() const { return count_; }

 private:
  Level* levels_ = nullptr;
  size_t count_ = 0, capacity_ = 0;
};

// Opens a directory by its name in another; one without permissions gets them first.
UniqueFd open_directory(int parent, const char* name) {
  OpenHow how{O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0,
              kResolveBeneath | kResolveNoXdev | kResolveNoSymlinks};
  if (geteuid() == 0) {
    how.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    return UniqueFd(sys_openat2(parent, name, how));
  }
  UniqueFd place(sys_openat2(parent, name, how));
  if (!place.ok()) return UniqueFd();
  struct stat info;
  if (fstat(place.get(), &info) != 0) return UniqueFd();
  if ((info.st_mode & S_IRWXU) != S_IRWXU) {
    char number[24], path[48];
    format_number(static_cast<uint64_t>(place.get()), number);
    append(path, sizeof path, append(path, sizeof path, 0, "/proc/self/fd/"), number);
    chmod(path, S_IRWXU);
  }
  return UniqueFd(openat(place.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

class Remover {
 public:
  Status run(int parent, const char* name, const char* path);

 private:
  bool descend(int parent, const char* name);
  bool ascend();
  bool clear();
  UniqueFd& fd(size_t depth) { return open_[depth % kOpen]; }

  Levels levels_;
  UniqueFd open_[kOpen];
  DirectoryReader reader_{-1};
};

bool Remover::descend(int parent, const char* name) {
  UniqueFd next = open_directory(parent, name);
  struct stat info;
  if (!next.ok() || fstat(next.get(), &info) != 0) return false;
  if (!levels_.push(Level{info.st_dev, info.st_ino, 0, 0})) return false;
  reader_.restart(next.get());
  fd(levels_.count() - 1) = take(next);
  return true;
}

// Back to the directory above, to where its entry starts that has just been emptied.
bool Remover::ascend() {
  size_t depth = levels_.count() - 1;
  UniqueFd below = take(fd(depth));
  levels_.pop();
  UniqueFd& above = fd(depth - 1);
  Level& level = levels_.top();
  if (!above.ok()) {
    above = UniqueFd(openat(below.get(), "..", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    struct stat info;
    if (!above.ok() || fstat(above.get(), &info) != 0) return false;
    if (info.st_dev != level.device || info.st_ino != level.inode) {
      errno = ESTALE;
      return false;
    }
  }
  if (lseek(above.get(), level.here, SEEK_SET) < 0) return false;
  reader_.restart(above.get());
  return true;
}

// Empties the directory on top of the levels, and those below it.
bool Remover::clear() {
  const size_t bottom = levels_.count();
  while (true) {
    Level& level = levels_.top();
    int directory = fd(levels_.count() - 1).get();
    DirectoryEntry entry;
    if (!reader_.next(&entry)) {
      if (reader_.error() != 0) {
        errno = reader_.error();
        return false;
      }
      if (levels_.count() == bottom) return true;
      if (!ascend()) return false;
      continue;
    }
    bool is_directory = entry.type == DT_DIR;
    if (entry.type == DT_UNKNOWN) {
      struct stat info;
      if (fstatat(directory, entry.name, &info, AT_SYMLINK_NOFOLLOW) != 0) {
        if (errno == ENOENT) continue;
        return false;
      }
      is_directory = S_ISDIR(info.st_mode);
    }
    if (unlinkat(directory, entry.name, is_directory ? AT_REMOVEDIR : 0) == 0 || errno == ENOENT) {
      level.here = entry.next;
      level.returns = 0;
      continue;
    }
    if (!is_directory || (errno != ENOTEMPTY && errno != EEXIST && errno != EACCES)) return false;
    if (++level.returns > kMaxReturns || !descend(directory, entry.name)) return false;
  }
}

Status Remover::run(int parent, const char* name, const char* path) {
  const char* what = "remove";
  if (unlinkat(parent, name, 0) == 0 || errno == ENOENT) return fine();
  if (errno != EISDIR && errno != EPERM) return failed(what, path);
  for (int attempt = 0; attempt < kMaxReturns; attempt++) {
    if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT) return fine();
    if (errno != ENOTEMPTY && errno != EEXIST) return failed(what, path);
    bool cleared = descend(parent, name) && clear();
    if (!cleared) return failed(what, path);
    levels_.pop();
  }
  return failed_with(ENOTEMPTY, what, path);
}

}  // namespace

Status remove_tree_at(int directory, const char* name) {
  Remover remover;
  return remover.run(directory, name, name);
}

Status remove_tree(const char* path) {
  const char* what = "remove";
  size_t length = strlen(path);
  char parent_path[PATH_MAX];
  if (path[0] != '/') return failed_with(EINVAL, what, path);
  if (length >= sizeof parent_path) return failed_with(ENAMETOOLONG, what, path);
  memcpy(parent_path, path, length + 1);
  while (length > 1 && parent_path[length - 1] == '/') parent_path[--length] = '\0';
  char* slash = strrchr(parent_path, '/');
  char name[NAME_MAX + 1];
  size_t size = strlen(slash + 1);
  if (size == 0 || strcmp(slash + 1, ".") == 0 || strcmp(slash + 1, "..") == 0) {
    return failed_with(EINVAL, what, path);
  }
  if (size > NAME_MAX) return failed_with(ENAMETOOLONG, what, path);
  memcpy(name, slash + 1, size + 1);
  slash[slash == parent_path ? 1 : 0] = '\0';
  UniqueFd parent(open(parent_path, O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!parent.ok()) return errno == ENOENT ? fine() : failed(what, path);
  Remover remover;
  return remover.run(parent.get(), name, path);
}

}  // namespace vaina
