#include "lookup.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "resolve.h"

namespace vaina {
namespace {

constexpr size_t kPath = 4096;
constexpr int kMaxLinks = 40;

bool is_opaque(int layer, const char* directory) {
  UniqueFd fd(open_plain(layer, directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  char value = 0;
  return fd.ok() && ((fgetxattr(fd.get(), "trusted.overlay.opaque", &value, 1) == 1 && value == 'y') ||
                     (fgetxattr(fd.get(), "user.overlay.opaque", &value, 1) == 1 && value == 'y'));
}

// Whether this layer hides the path, which it does not have, from those below.
bool is_hidden(int layer, const char* path) {
  char prefix[kPath];
  strcpy(prefix, path);
  for (char* slash = strrchr(prefix, '/'); slash != nullptr; slash = strrchr(prefix, '/')) {
    *slash = 0;
    UniqueFd fd(open_plain(layer, prefix, O_PATH | O_NOFOLLOW));
    if (!fd.ok()) continue;
    struct stat status;
    if (fstat(fd.get(), &status) != 0 || !S_ISDIR(status.st_mode)) return true;
    if (is_opaque(layer, prefix)) return true;
  }
  return is_opaque(layer, ".");
}

// What the stack has at a path without links.
int find(const int* layers, size_t count, const char* path, struct stat* status) {
  for (size_t i = 0; i < count; i++) {
    UniqueFd fd(open_plain(layers[i], path, O_PATH | O_NOFOLLOW));
    if (fd.ok()) {
      if (fstat(fd.get(), status) != 0) return -1;
      if (S_ISCHR(status->st_mode) && status->st_rdev == 0) break;
      return fd.release();
    }
    if (errno != ENOENT) break;  // something else is on the way, and hides what is below
    if (is_hidden(layers[i], path)) break;
  }
  errno = ENOENT;
  return -1;
}

}  // namespace

Status open_in_layers(const int* layers, size_t count, const char* path, UniqueFd* out) {
  char rest[kPath];
  char at[kPath] = "";
  if (strlen(path) >= sizeof rest) return failed_with(ENAMETOOLONG, "open");
  strcpy(rest, path);
  int links = 0;
  char* next = rest;
  for (;;) {
    while (*next == '/') next++;
    if (*next == 0) return failed_with(EISDIR, "open");
    char* end = strchrnul(next, '/');
    bool last = *end == 0;
    *end = 0;
    size_t length = strlen(at);
    if (strcmp(next, "..") == 0) {
      char* slash = strrchr(at, '/');
      *(slash != nullptr ? slash : at) = 0;
    } else if (strcmp(next, ".") != 0) {
      if (length + strlen(next) + 2 > sizeof at) return failed_with(ENAMETOOLONG, "open");
      if (length > 0) strcat(at, "/");
      strcat(at, next);
      struct stat status;
      UniqueFd fd(find(layers, count, at, &status));
      if (!fd.ok()) return failed("open");
      if (S_ISLNK(status.st_mode)) {
        if (++links > kMaxLinks) return failed_with(ELOOP, "open");
        char joined[kPath];
        ssize_t size = readlinkat(fd.get(), "", joined, sizeof joined);
        if (size <= 0) return failed("readlink");
        size_t left = last ? 0 : strlen(end + 1) + 1;
        if (static_cast<size_t>(size) + left >= sizeof joined) return failed_with(ENAMETOOLONG, "open");
        joined[size] = last ? 0 : '/';
        if (!last) strcpy(joined + size + 1, end + 1);
        memcpy(rest, joined, static_cast<size_t>(size) + left + 1);
        at[joined[0] == '/' ? 0 : length] = 0;
        next = rest;
        continue;
      }
      if (last) {
        if (!S_ISREG(status.st_mode)) return failed_with(S_ISDIR(status.st_mode) ? EISDIR : EINVAL, "open");
        for (size_t i = 0; i < count; i++) {
          UniqueFd file(open_plain(layers[i], at, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY));
          struct stat found;
          if (!file.ok() || fstat(file.get(), &found) != 0) continue;
          if (found.st_dev != status.st_dev || found.st_ino != status.st_ino) continue;
          *out = take(file);
          return fine();
        }
        return failed_with(ENOENT, "open");
      }
    }
    if (last) return failed_with(EISDIR, "open");
    next = end + 1;
  }
}

}  // namespace vaina
