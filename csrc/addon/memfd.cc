#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "addon.h"

// Newer than Debian 12's headers.
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif
#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif
#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x0020
#endif

namespace vaina {

int empty_memfd(const char* name, Executable executable) {
  const unsigned kind = executable == Executable::kYes ? MFD_EXEC : MFD_NOEXEC_SEAL;
  int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | kind);
  // Before Linux 6.3 there is no such flag, and every memfd is executable.
  if (fd < 0 && errno == EINVAL) fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
  return fd;
}

bool fill_memfd(int fd, const void* data, size_t size, const char** syscall) {
  *syscall = "write";
  for (size_t done = 0; done < size;) {
    ssize_t count = write(fd, static_cast<const char*>(data) + done, size - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    done += static_cast<size_t>(count);
  }
  *syscall = "fcntl";
  const int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
  if (fcntl(fd, F_ADD_SEALS, seals | F_SEAL_EXEC) == 0) return true;
  return errno == EINVAL && fcntl(fd, F_ADD_SEALS, seals) == 0;
}

int sealed_memfd(const char* name, const void* data, size_t size, Executable executable,
                 const char** syscall) {
  *syscall = "memfd_create";
  UniqueFd fd(empty_memfd(name, executable));
  if (fd.get() < 0 || !fill_memfd(fd.get(), data, size, syscall)) return -1;
  return fd.release();
}

}  // namespace vaina
