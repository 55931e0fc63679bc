#include "usage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "../sys/directory.h"
#include "../sys/syscalls.h"
#include "../sys/unique_fd.h"
#include "resolve.h"

namespace vaina {
namespace {

constexpr int kMaxDepth = 1100;  // descriptors and stack; deeper than any layer may be

Status count_entry(int directory, const char* name, Usage* usage, int depth) {
  struct stat status;
  if (fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) != 0)
    return errno == ENOENT ? fine() : failed("stat");
  usage->files++;
  uint64_t links = S_ISDIR(status.st_mode) || status.st_nlink == 0 ? 1 : status.st_nlink;
  if (S_ISREG(status.st_mode) || S_ISLNK(status.st_mode))
    usage->size += static_cast<uint64_t>(status.st_size) / links;
  usage->blocks += static_cast<uint64_t>(status.st_blocks) * 512 / links;
  if (!S_ISDIR(status.st_mode)) return fine();
  if (depth >= kMaxDepth) return failed_with(ELOOP, "open");
  UniqueFd inner(open_beneath(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW,
                              kResolveBeneath | kResolveNoSymlinks | kResolveNoXdev));
  if (!inner.ok()) {
    // Removed meanwhile, or something is mounted there, which is not the tree's.
    return errno == ENOENT || errno == ENOTDIR || errno == ELOOP || errno == EXDEV ? fine() : failed("open");
  }
  DirectoryReader reader(inner.get());
  DirectoryEntry entry;
  while (reader.next(&entry)) {
    Status result = count_entry(inner.get(), entry.name, usage, depth + 1);
    if (!result.ok()) return result;
  }
  return reader.error() == 0 ? fine() : failed_with(reader.error(), "getdents64");
}

}  // namespace

Status count_usage(int directory, const char* name, Usage* usage) {
  return count_entry(directory, name, usage, 0);
}

}  // namespace vaina
