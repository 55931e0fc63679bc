#include "usage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "../sys/directory.h"
#include "../sys/syscalls.h"
#include "../sys/unique_fd.h"
#include "resolve.h"

namespace vaina {
namespace {

constexpr int kMaxDepth = 1100;  // descriptors and stack; deeper than any layer may be

// FNV-1a. It is to find accidents: who may write here can make a tree that looks the same in any case.
constexpr uint64_t kSeed = 0xcbf29ce484222325u;

uint64_t mix(uint64_t hash, const void* from, size_t size) {
  auto* at = static_cast<const uint8_t*>(from);
  for (size_t i = 0; i < size; i++) hash = (hash ^ at[i]) * 0x100000001b3u;
  return hash;
}

uint64_t mark_of(uint64_t path, const struct stat& status) {
  bool device = S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode);
  // The size of a directory is the file system's own affair.
  const uint64_t facts[] = {
      status.st_mode,
      status.st_uid,
      status.st_gid,
      S_ISDIR(status.st_mode) ? 0 : static_cast<uint64_t>(status.st_size),
      static_cast<uint64_t>(status.st_mtim.tv_sec),
      static_cast<uint64_t>(status.st_mtim.tv_nsec),
      device ? static_cast<uint64_t>(status.st_rdev) : 0,
  };
  return mix(path, facts, sizeof facts);
}

Status count_entry(int directory, const char* name, uint64_t parent, Usage* usage, int depth) {
  struct stat status;
  if (fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) != 0)
    return errno == ENOENT ? fine() : failed("stat");
  usage->files++;
  // The name of the tree itself does not count, nor its times: it is renamed.
  uint64_t path = depth == 0 ? kSeed : mix(mix(parent, "/", 1), name, strlen(name));
  if (depth > 0) usage->mark += mark_of(path, status);
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
    Status result = count_entry(inner.get(), entry.name, path, usage, depth + 1);
    if (!result.ok()) return result;
  }
  return reader.error() == 0 ? fine() : failed_with(reader.error(), "getdents64");
}

}  // namespace

Status count_usage(int directory, const char* name, Usage* usage) {
  return count_entry(directory, name, kSeed, usage, 0);
}

}  // namespace vaina
