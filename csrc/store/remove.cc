#include "remove.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../sys/directory.h"
#include "../sys/syscalls.h"
#include "../sys/unique_fd.h"
#include "resolve.h"

namespace vaina {
namespace {

// Deeper directories are moved to the top of the tree first: a container can nest them without end.
constexpr int kMaxDepth = 24;

struct Removal {
  int top;
  uint64_t moved = 0;
};

Status remove_contents(Removal* removal, int directory, int depth);

// Moves a directory to the top of the tree that is being removed, under a name that is free there.
Status move_to_top(Removal* removal, int directory, const char* name) {
  char fresh[40];
  for (int attempt = 0; attempt < 1000; attempt++) {
    snprintf(fresh, sizeof fresh, ".removing-%llu", static_cast<unsigned long long>(removal->moved++));
    if (syscall(SYS_renameat2, directory, name, removal->top, fresh, 1u /* RENAME_NOREPLACE */) == 0)
      return fine();
    if (errno != EEXIST) return failed("rename");
  }
  return failed_with(EEXIST, "rename");
}

Status remove_entry(Removal* removal, int directory, const char* name, unsigned char type, int depth) {
  if (type != DT_DIR) {
    if (unlinkat(directory, name, 0) == 0 || errno == ENOENT) return fine();
    if (errno != EISDIR && errno != EPERM) return failed("unlink");
    if (type != DT_UNKNOWN) return failed("unlink");
  }
  if (unlinkat(directory, name, AT_REMOVEDIR) == 0 || errno == ENOENT) return fine();
  if (errno != ENOTEMPTY && errno != EEXIST) return failed("rmdir");
  if (depth >= kMaxDepth) return move_to_top(removal, directory, name);
  UniqueFd inner(open_beneath(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW,
                              kResolveBeneath | kResolveNoSymlinks | kResolveNoXdev));
  if (!inner.ok()) return failed("open");
  Status status = remove_contents(removal, inner.get(), depth + 1);
  if (!status.ok()) return status;
  if (unlinkat(directory, name, AT_REMOVEDIR) == 0 || errno == ENOENT) return fine();
  return failed("rmdir");
}

Status remove_contents(Removal* removal, int directory, int depth) {
  // What is moved to the top, or missed while the directory shrinks, is found by another pass.
  for (;;) {
    if (lseek(directory, 0, SEEK_SET) < 0) return failed("lseek");
    DirectoryReader reader(directory);
    bool any = false;
    DirectoryEntry entry;
    while (reader.next(&entry)) {
      any = true;
      Status status = remove_entry(removal, directory, entry.name, entry.type, depth);
      if (!status.ok()) return status;
    }
    if (reader.error() != 0) return failed_with(reader.error(), "getdents64");
    if (!any) return fine();
  }
}

}  // namespace

Status remove_tree(int directory, const char* name) {
  struct stat status;
  if (fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) != 0)
    return errno == ENOENT ? fine() : failed("stat");
  if (!S_ISDIR(status.st_mode)) {
    return unlinkat(directory, name, 0) == 0 || errno == ENOENT ? fine() : failed("unlink");
  }
  if (unlinkat(directory, name, AT_REMOVEDIR) == 0) return fine();
  UniqueFd top(open_beneath(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW,
                            kResolveBeneath | kResolveNoSymlinks | kResolveNoXdev));
  if (!top.ok()) return failed("open");
  Removal removal{top.get()};
  Status result = remove_contents(&removal, top.get(), 0);
  if (!result.ok()) return result;
  return unlinkat(directory, name, AT_REMOVEDIR) == 0 || errno == ENOENT ? fine() : failed("rmdir");
}

}  // namespace vaina
