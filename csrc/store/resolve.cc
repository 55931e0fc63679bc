#include "resolve.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "../sys/syscalls.h"

namespace vaina {

int open_beneath(int directory, const char* path, int flags, uint64_t resolve, mode_t mode) {
  const OpenHow how = {static_cast<uint64_t>(flags) | O_CLOEXEC, mode, resolve};
  for (int attempt = 0;; attempt++) {
    int fd = sys_openat2(directory, path, how);
    // EAGAIN: something was renamed elsewhere while `..` was resolved.
    if (fd >= 0 || (errno != EINTR && (errno != EAGAIN || attempt >= 64))) return fd;
  }
}

int open_in_root(int root, const char* path, int flags) {
#ifdef VAINA_WEAKEN_RESOLVE
  // Test builds only: shows that the tests of the layer corpus see what the guard prevents.
  return openat(root, path, flags | O_CLOEXEC);
#else
  return open_beneath(root, path, flags, kResolveInRoot | kResolveNoMagiclinks);
#endif
}

int open_plain(int root, const char* path, int flags) {
  return open_beneath(root, path, flags, kResolveBeneath | kResolveNoSymlinks);
}

bool is_plain_path(const char* path) {
  for (;;) {
    const char* end = strchrnul(path, '/');
    size_t size = static_cast<size_t>(end - path);
    if (size == 0 || (size == 1 && path[0] == '.') || (size == 2 && path[0] == '.' && path[1] == '.'))
      return false;
    if (*end == 0) return true;
    path = end + 1;
  }
}

const char* last_component(const char* path, size_t* parent_size) {
  const char* slash = strrchr(path, '/');
  *parent_size = slash != nullptr ? static_cast<size_t>(slash - path) : 0;
  return slash != nullptr ? slash + 1 : path;
}

}  // namespace vaina
