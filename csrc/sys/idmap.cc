#include "idmap.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>

#include "io.h"
#include "process.h"

namespace vaina {
namespace {

// The kernel takes 340 lines; each of at most three numbers of ten digits.
constexpr size_t kMaxMap = 12288;
constexpr size_t kMaxArguments = 340 * 3 + 3;

Status write_proc_file(pid_t pid, const char* file, const char* text) {
  char number[24], path[64];
  format_number(static_cast<uint64_t>(pid), number);
  size_t at = append(path, sizeof path, 0, "/proc/");
  at = append(path, sizeof path, at, number);
  at = append(path, sizeof path, at, "/");
  append(path, sizeof path, at, file);
  UniqueFd fd(open(path, O_WRONLY | O_CLOEXEC));
  if (!fd.ok() || !write_whole(fd.get(), text, strlen(text))) return failed("write", file);
  return fine();
}

// Starts `helper PID in out count …`.
Status start_helper(pid_t pid, const IdMap& map, pid_t* out) {
  char text[kMaxMap];
  const char* arguments[kMaxArguments + 1];
  size_t length = strlen(map.map);
  if (length >= sizeof text) return failed_with(E2BIG, "run", map.helper);
  memcpy(text, map.map, length + 1);
  char number[24];
  format_number(static_cast<uint64_t>(pid), number);
  size_t count = 0;
  arguments[count++] = map.helper;
  arguments[count++] = number;
  for (char* word = text + strspn(text, " \n"); *word != '\0';) {
    if (count == kMaxArguments) return failed_with(E2BIG, "run", map.helper);
    arguments[count++] = word;
    size_t size = strcspn(word, " \n");
    char* end = word + size;
    size_t gap = strspn(end, " \n");
    *end = '\0';
    word = end + gap;
  }
  arguments[count] = nullptr;
  *out = start_program(arguments);
  return *out > 0 ? fine() : failed("run", map.helper);
}

Status finish_helper(pid_t helper, const IdMap& map) {
  int status = wait_for(helper);
  if (status == 0) return fine();
  bool missing = status >= 0 && WIFEXITED(status) && WEXITSTATUS(status) == 127;
  return failed_with(missing ? ENOENT : EPERM, "run", map.helper);
}

}  // namespace

Status write_id_maps(pid_t pid, const IdMaps& maps, uint32_t* failed_step) {
  if (maps.deny_setgroups) {
    *failed_step = maps.setgroups_step;
    Status status = write_proc_file(pid, "setgroups", "deny");
    if (!status.ok()) return status;
  }
  // Helpers are started before either is waited for: they are the slowest part of a rootless start.
  const IdMap* both[] = {&maps.uid, &maps.gid};
  const char* files[] = {"uid_map", "gid_map"};
  pid_t helpers[] = {0, 0};
  Status result;
  for (int i = 0; i < 2 && result.ok(); i++) {
    const IdMap& map = *both[i];
    if (map.map == nullptr) continue;
    result =
        map.helper[0] != '\0' ? start_helper(pid, map, &helpers[i]) : write_proc_file(pid, files[i], map.map);
    if (!result.ok()) *failed_step = map.step;
  }
  for (int i = 0; i < 2; i++) {
    if (helpers[i] <= 0) continue;
    Status status = finish_helper(helpers[i], *both[i]);
    if (!status.ok() && result.ok()) {
      result = status;
      *failed_step = both[i]->step;
    }
  }
  return result;
}

}  // namespace vaina
