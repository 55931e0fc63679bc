#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "../sys/mount.h"
#include "../sys/rooted.h"
#include "../sys/syscalls.h"
#include "../sys/terminal.h"
#include "inside.h"

namespace vaina {
namespace {

constexpr char kPath[] = "/dev/console";

// The place in the container's /dev, made by descriptor; what is there already may not be a link.
Status console_place(const Rooted& rooted, UniqueFd* out) {
  UniqueFd directory = rooted.open("/dev", O_PATH | O_DIRECTORY, kResolveNoSymlinks);
  if (!directory.ok()) return failed("open", "/dev");
  *out = UniqueFd(
      openat(directory.get(), "console", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (out->ok()) return fine();
  if (errno != EEXIST) return failed("make", kPath);
  *out = UniqueFd(openat(directory.get(), "console", O_PATH | O_NOFOLLOW | O_CLOEXEC));
  struct stat info;
  if (!out->ok() || fstat(out->get(), &info) != 0) return failed("open", kPath);
  return S_ISREG(info.st_mode) || S_ISCHR(info.st_mode) ? fine() : failed_with(EEXIST, "make", kPath);
}

Status open_multiplexer(Inside* inside, const Rooted& rooted, UniqueFd* out) {
  constexpr int kFlags = O_RDWR | O_NOCTTY;
  *out = inside->devpts.ok() ? UniqueFd(openat(inside->devpts.get(), "ptmx", kFlags | O_CLOEXEC))
                             : rooted.open("/dev/pts/ptmx", kFlags, kResolveNoSymlinks);
  return out->ok() ? fine() : failed("open", "/dev/pts/ptmx");
}

}  // namespace

Status make_console(Inside* inside, bool bind) {
  if (!inside->terminal) return failed_with(EINVAL, "make terminal", kPath);
  Status status = need_root(inside);
  if (!status.ok()) return status;
  Rooted rooted(inside->root.get());
  UniqueFd master, slave;
  status = open_multiplexer(inside, rooted, &master);
  if (status.ok()) status = open_terminal(master.get(), inside->rows, inside->columns, &slave);
  if (status.ok()) status = take_terminal(slave.get());
  if (status.ok() && bind) {
    UniqueFd place;
    status = console_place(rooted, &place);
    if (!status.ok()) return status;
    UniqueFd copy = clone_mount(slave.get(), false);
    status = copy.ok() ? attach(copy.get(), place.get()) : failed("bind", kPath);
  }
  if (status.ok()) status = send_descriptor(inside->channel, master.get());
  if (status.ok()) inside->own_terminal = true;
  return status.ok() ? status : failed_with(status.error, status.what, kPath);
}

}  // namespace vaina
