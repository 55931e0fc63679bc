#include "run_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "../sys/io.h"

namespace vaina {
namespace {

constexpr char kSocket[] = "ctl.sock";
constexpr int kBacklog = 128;

Status write_at(int directory, const char* temporary, const char* name, const char* text, size_t size) {
  UniqueFd file(openat(directory, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (file.ok() && write_whole(file.get(), text, size) &&
      renameat(directory, temporary, directory, name) == 0)
    return fine();
  Status status = failed("write", name);
  if (file.ok()) unlinkat(directory, temporary, 0);
  return status;
}

}  // namespace

Status RunDir::open(const char* path) {
  path_ = path;
  if (mkdir(path, 0700) != 0 && errno != EEXIST) return failed("make", path);
  directory_.reset(::open(path, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
  if (!directory_.ok()) return failed("open", path);
  UniqueFd alive(
      openat(directory_.get(), "alive", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600));
  if (!alive.ok()) return failed("open alive in", path);
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_len = 1;
  if (fcntl(alive.get(), F_OFD_SETLK, &lock) != 0) {
    bool taken = errno == EAGAIN || errno == EACCES;
    return taken ? failed_with(EBUSY, "lock alive in", path) : failed("lock alive in", path);
  }
  alive_ = take(alive);
  return fine();
}

Status RunDir::listen(UniqueFd* out) {
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.ok()) return failed("make socket");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  // The path itself may be longer than sun_path.
  snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", directory_.get(), kSocket);
  // Of a monitor that was killed.
  if (unlinkat(directory_.get(), kSocket, 0) != 0 && errno != ENOENT)
    return failed("remove ctl.sock in", path_);
  mode_t before = umask(0177);
  int result = bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
  umask(before);
  if (result != 0 || ::listen(fd.get(), kBacklog) != 0) return failed("listen on ctl.sock in", path_);
  *out = take(fd);
  return fine();
}

Status RunDir::write(const char* name, const char* text, size_t size) {
  char temporary[32];
  snprintf(temporary, sizeof temporary, ".%s.new", name);
  return write_at(directory_.get(), temporary, name, text, size);
}

Status write_whole_file(const char* path, const char* text, size_t size) {
  char temporary[PATH_MAX];
  if (snprintf(temporary, sizeof temporary, "%s.new", path) >= static_cast<int>(sizeof temporary))
    return failed_with(ENAMETOOLONG, "write", path);
  return write_at(AT_FDCWD, temporary, path, text, size);
}

void RunDir::release() {
  if (!locked()) return;
  unlinkat(directory_.get(), kSocket, 0);
  alive_.reset();
}

}  // namespace vaina
