#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "cgroup.h"
#include "directory.h"
#include "io.h"
#include "syscalls.h"

namespace vaina {
namespace {

// How long killed processes get to go away, in all.
constexpr uint64_t kPatience = 10000000;  // µs
constexpr uint64_t kLongestSleep = 20000;
constexpr uint32_t kBatch = 64;

// Calls `each` for every pid in cgroup.procs.
template <typename Each>
void for_each_process(int directory, Each each) {
  UniqueFd fd(openat(directory, "cgroup.procs", O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd.ok()) return;
  char chunk[2048];
  uint64_t pid = 0;
  while (true) {
    ssize_t n = retry([&] { return read(fd.get(), chunk, sizeof chunk); });
    if (n <= 0) return;
    for (ssize_t i = 0; i < n; i++) {
      if (chunk[i] >= '0' && chunk[i] <= '9') {
        pid = pid * 10 + static_cast<uint64_t>(chunk[i] - '0');
      } else {
        if (pid > 0 && pid <= INT_MAX) each(static_cast<pid_t>(pid));
        pid = 0;
      }
    }
  }
}

// Kills by pidfd only, and only what is still listed once its pidfd is held: a pid that was used again is not
// hit.
void kill_processes(int directory) {
  pid_t pids[kBatch];
  UniqueFd held[kBatch];
  uint32_t count = 0;
  for_each_process(directory, [&](pid_t pid) {
    if (count == kBatch) return;
    held[count] = UniqueFd(sys_pidfd_open(pid));
    if (held[count].ok()) pids[count++] = pid;
  });
  if (count == 0) return;
  for_each_process(directory, [&](pid_t pid) {
    for (uint32_t i = 0; i < count; i++) {
      if (pids[i] == pid) sys_pidfd_send_signal(held[i].get(), SIGKILL);
    }
  });
}

void write_file(int directory, const char* name, const char* value) {
  UniqueFd fd(openat(directory, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW));
  if (fd.ok()) write_whole(fd.get(), value, strlen(value));
}

// Removes the deepest first child. 0: removed one; ENOENT: there is none below; else why not.
int remove_one_below(int top, bool v2) {
  char name[NAME_MAX + 1];
  if (!first_subdirectory(top, name)) return ENOENT;
  UniqueFd parent(dup(top));
  while (true) {
    UniqueFd child(openat(parent.get(), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!child.ok()) return errno == ENOENT ? 0 : errno;
    char deeper[NAME_MAX + 1];
    if (first_subdirectory(child.get(), deeper)) {
      memcpy(name, deeper, sizeof deeper);
      parent = take(child);
      continue;
    }
    if (unlinkat(parent.get(), name, AT_REMOVEDIR) == 0 || errno == ENOENT) return 0;
    int error = errno;
    if (!v2) {
      kill_processes(child.get());
      write_file(child.get(), "freezer.state", "THAWED");
    }
    return error;
  }
}

}  // namespace

Status remove_cgroup(const char* path) {
  const char* what = "remove cgroup";
  UniqueFd top(open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!top.ok()) return errno == ENOENT ? fine() : failed(what, path);
  bool v2 = false;
  if (!is_cgroup(top.get(), &v2)) return failed_with(EXDEV, what, path);
  uint64_t nap = 100;
  for (uint64_t waited = 0; waited < kPatience;) {
    if (rmdir(path) == 0 || errno == ENOENT) return fine();
    int error = errno;
    if (error != EBUSY && error != ENOTEMPTY) return failed_with(error, what, path);
    if (v2) write_file(top.get(), "cgroup.kill", "1");
    // cgroup.kill came with 5.14; without it the processes are killed one by one. A frozen process of v1 dies
    // when it is thawed.
    kill_processes(top.get());
    if (!v2) write_file(top.get(), "freezer.state", "THAWED");
    int below = 0;
    while ((below = remove_one_below(top.get(), v2)) == 0) continue;
    if (below != ENOENT && below != EBUSY && below != ENOTEMPTY) return failed_with(below, what, path);
    if (below == ENOENT && (rmdir(path) == 0 || errno == ENOENT)) return fine();
    sleep_microseconds(nap);
    waited += nap;
    nap = nap * 2 < kLongestSleep ? nap * 2 : kLongestSleep;
  }
  return failed_with(EBUSY, what, path);
}

}  // namespace vaina
