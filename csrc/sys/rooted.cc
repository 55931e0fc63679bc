#include "rooted.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "syscalls.h"

namespace vaina {
namespace {

constexpr int kMaxLinks = 40;      // as the kernel's own
constexpr int kMaxAttempts = 128;  // a rename on the way makes openat2 say EAGAIN
constexpr mode_t kDirectoryMode = 0755;
constexpr mode_t kFileMode = 0644;

int open_in(int root, const char* path, int flags, uint64_t resolve) {
  OpenHow how{static_cast<uint64_t>(flags | O_CLOEXEC), 0, kResolveInRoot | kResolveNoMagiclinks | resolve};
  for (int attempt = 0;; attempt++) {
    int fd = sys_openat2(root, path, how);
    if (fd >= 0 || attempt == kMaxAttempts || (errno != EAGAIN && errno != EINTR)) return fd;
  }
}

// A dangling link is in the way: puts its text in the place of the path's first `end` bytes, whose last part
// is the link. The kernel then resolves the text in the root, as it would have done had the link's target
// been there.
Status splice_link(int parent, const char* name, char* path, size_t size, size_t start, size_t end) {
  char text[PATH_MAX];
  ssize_t length = readlinkat(parent, name, text, sizeof text);
  if (length < 0) return failed("readlink");
  if (length == 0 || static_cast<size_t>(length) == sizeof text) return failed_with(ENAMETOOLONG, "readlink");
  size_t keep = text[0] == '/' ? 0 : start;
  size_t rest = strlen(path + end) + 1;
  size_t taken = keep + static_cast<size_t>(length);
  if (taken + rest > size) return failed_with(ENAMETOOLONG, "readlink");
  memmove(path + taken, path + end, rest);
  memcpy(path + keep, text, static_cast<size_t>(length));
  return fine();
}

}  // namespace

UniqueFd Rooted::open(const char* path, int flags, uint64_t resolve) const {
  return UniqueFd(open_in(root_, path, flags, resolve));
}

// Mostly only the last part is missing, and then there is no need to walk down from the root. Nothing is said
// of a failure: the walk that follows finds it again.
UniqueFd Rooted::make_last(char* path, uint64_t resolve) const {
  char* slash = strrchr(path, '/');
  if (slash == nullptr || slash == path || slash[1] == '\0' || strcmp(slash + 1, "..") == 0)
    return UniqueFd();
  *slash = '\0';
  UniqueFd parent = open(path, O_PATH | O_DIRECTORY, resolve);
  *slash = '/';
  if (!parent.ok() || mkdirat(parent.get(), slash + 1, kDirectoryMode) != 0) return UniqueFd();
  return open(path, O_PATH | O_DIRECTORY, resolve);
}

Status Rooted::make_directory(const char* path, UniqueFd* out, uint64_t resolve) const {
  *out = open(path, O_PATH | O_DIRECTORY, resolve);
  if (out->ok()) return fine();
  if (errno != ENOENT) return failed("open directory", path);

  char rest[PATH_MAX];
  size_t length = strlen(path);
  if (length >= sizeof rest) return failed_with(ENAMETOOLONG, "make directory", path);
  memcpy(rest, path, length + 1);
  *out = make_last(rest, resolve);
  if (out->ok()) return fine();
  int links = 0;
  UniqueFd parent(open_in(root_, "/", O_PATH | O_DIRECTORY, 0));
  size_t start = 0;
  while (true) {
    start += strspn(rest + start, "/");
    if (rest[start] == '\0') break;
    size_t end = start + strcspn(rest + start, "/");
    char after = rest[end];
    rest[end] = '\0';
    // From the root each time: links and `..` in the prefix mean what they mean in the whole path.
    UniqueFd next(open_in(root_, rest, O_PATH | O_DIRECTORY, resolve));
    if (!next.ok() && errno == ENOENT) {
      const char* name = rest + start;
      if (mkdirat(parent.get(), name, kDirectoryMode) == 0 || errno == EEXIST) {
        next = UniqueFd(open_in(root_, rest, O_PATH | O_DIRECTORY, resolve));
        struct stat info;
        if (!next.ok() && errno == ENOENT && fstatat(parent.get(), name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISLNK(info.st_mode)) {
          if (++links > kMaxLinks) return failed_with(ELOOP, "make directory", path);
          char link[NAME_MAX + 1];
          if (strlen(name) > NAME_MAX) return failed_with(ENAMETOOLONG, "make directory", path);
          memcpy(link, name, strlen(name) + 1);
          rest[end] = after;
          Status spliced = splice_link(parent.get(), link, rest, sizeof rest, start, end);
          if (!spliced.ok()) return failed_with(spliced.error, "make directory", path);
          parent = UniqueFd(open_in(root_, "/", O_PATH | O_DIRECTORY, 0));
          start = 0;
          continue;
        }
      }
    }
    if (!next.ok()) return failed("make directory", path);
    rest[end] = after;
    parent = take(next);
    start = end;
  }
  if (!parent.ok()) return failed("make directory", path);
  *out = take(parent);
  return fine();
}

Status Rooted::parent(const char* path, UniqueFd* directory, char (&name)[NAME_MAX + 1]) const {
  size_t end = strlen(path);
  while (end > 0 && path[end - 1] == '/') end--;
  size_t start = end;
  while (start > 0 && path[start - 1] != '/') start--;
  size_t length = end - start;
  if (length > NAME_MAX || start >= PATH_MAX) return failed_with(ENAMETOOLONG, "open", path);
  memcpy(name, path + start, length);
  name[length] = '\0';
  if (length == 0 || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
    return failed_with(EINVAL, "open", path);
  }
  char upper[PATH_MAX];
  memcpy(upper, path, start);
  upper[start] = '\0';
  Status status = make_directory(start == 0 ? "/" : upper, directory);
  return status.ok() ? status : failed_with(status.error, "make parent directory of", path);
}

Status Rooted::make_file(const char* path, UniqueFd* out, uint64_t resolve) const {
  *out = open(path, O_PATH, resolve);
  if (out->ok()) return fine();
  if (errno != ENOENT) return failed("open", path);
  char place[PATH_MAX];
  size_t length = strlen(path);
  if (length >= sizeof place) return failed_with(ENAMETOOLONG, "make file", path);
  memcpy(place, path, length + 1);
  for (int links = 0; links <= kMaxLinks; links++) {
    UniqueFd directory;
    char name[NAME_MAX + 1];
    Status status = parent(place, &directory, name);
    if (!status.ok()) return failed_with(status.error, "make file", path);
    *out = UniqueFd(
        openat(directory.get(), name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, kFileMode));
    if (out->ok()) return fine();
    if (errno != EEXIST || (resolve & kResolveNoSymlinks) != 0) return failed("make file", path);
    // A dangling link: the file is made where it points to.
    size_t end = strlen(place);
    while (place[end - 1] == '/') end--;
    status = splice_link(directory.get(), name, place, sizeof place, end - strlen(name), end);
    if (!status.ok()) return failed_with(status.error, "make file", path);
  }
  return failed_with(ELOOP, "make file", path);
}

}  // namespace vaina
