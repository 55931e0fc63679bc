#include "exec.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

namespace vaina {
namespace {

constexpr char kDefaultPath[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

}  // namespace

int execute(const char* const* argv, const char* const* environment, const char* path) {
  const char* file = argv[0];
  char* const* arguments = const_cast<char* const*>(argv);
  char* const* variables = const_cast<char* const*>(environment);
  size_t length = strlen(file);
  if (length == 0) return ENOENT;
  if (strchr(file, '/') != nullptr) {
    execve(file, arguments, variables);
    return errno;
  }
  if (length > NAME_MAX) return ENAMETOOLONG;
  if (path == nullptr) path = kDefaultPath;
  int result = ENOENT;
  while (true) {
    size_t size = strcspn(path, ":");
    char full[PATH_MAX + NAME_MAX + 2];
    if (size < PATH_MAX) {
      memcpy(full, path, size);
      size_t at = size;
      if (size > 0) full[at++] = '/';  // an empty part is the working directory
      memcpy(full + at, file, length + 1);
      execve(full, arguments, variables);
      if (errno == EACCES) {
        result = EACCES;
      } else if (errno != ENOENT && errno != ENOTDIR && errno != ENAMETOOLONG && errno != ELOOP) {
        return errno;
      }
    }
    if (path[size] == '\0') return result;
    path += size + 1;
  }
}

}  // namespace vaina
