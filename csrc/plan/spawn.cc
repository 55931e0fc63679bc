#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "../sys/io.h"
#include "../sys/process.h"
#include "../sys/syscalls.h"
#include "../sys/terminal.h"
#include "newborn.h"

namespace vaina {
namespace {

// Ends of the lines between the monitor and the new process.
struct Lines {
  UniqueFd report, report_end;    // read, write
  UniqueFd channel, channel_end;  // ours, the new process's; only with id maps or a terminal
  UniqueFd null;
};

// All that the new process is made from. An intermediate process shares it with the monitor.
struct Birth {
  const SpawnRequest* request;
  ClonePhase* phase;
  Lines* lines;
  int stdio[3];
  CloneArgs args;
  pid_t pid;
  int pidfd;
  Status status;
  uint32_t failed_index;
};

// The descriptor /dev/null of the host, and nothing else that lies there.
Status open_null(UniqueFd* out) {
  *out = UniqueFd(open("/dev/null", O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  struct stat info;
  if (!out->ok() || fstat(out->get(), &info) != 0) return failed("open", "/dev/null");
  bool real = S_ISCHR(info.st_mode) && info.st_rdev == makedev(1, 3);
  return real ? fine() : failed_with(ENODEV, "open", "/dev/null");
}

Status open_lines(const SpawnRequest& request, const ClonePhase& phase, Lines* lines) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return failed("make pipe");
  lines->report = UniqueFd(ends[0]);
  lines->report_end = UniqueFd(ends[1]);
  if (!phase.maps.any() && !request.terminal) return fine();
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return failed("make socket");
  lines->channel = UniqueFd(ends[0]);
  lines->channel_end = UniqueFd(ends[1]);
  return fine();
}

Status prepare_stdio(const SpawnRequest& request, Lines* lines, int* stdio) {
  for (int i = 0; i < 3; i++) {
    stdio[i] = request.stdio[i];
    if (stdio[i] >= 0 || request.terminal) continue;
    if (!lines->null.ok()) {
      Status status = open_null(&lines->null);
      if (!status.ok()) return status;
    }
    stdio[i] = lines->null.get();
  }
  return fine();
}

// Makes the new process a child of the monitor, whoever calls.
void give_birth(Birth* birth, uint64_t extra_flags) {
  ClonePhase* phase = birth->phase;
  CloneArgs& args = birth->args;
  memset(&args, 0, sizeof args);
  birth->pidfd = -1;
  // The new process makes its cgroup namespace when it is in its cgroups, as a namespace begins where its
  // maker is.
  args.flags = (phase->flags & ~kCloneNewCgroup) | kClonePidfd | extra_flags;
  args.pidfd = reinterpret_cast<uint64_t>(&birth->pidfd);
  args.exit_signal = (extra_flags & kCloneParent) != 0 ? 0 : SIGCHLD;
  if (phase->v2_cgroup >= 0) {
    args.flags |= kCloneIntoCgroup;
    args.cgroup = static_cast<uint64_t>(phase->v2_cgroup);
  }
  birth->pid = sys_clone3(&args);
  if (birth->pid == 0) {
    Lines* lines = birth->lines;
    // Whoever waits on a line must see its end when the monitor is gone.
    lines->report.reset();
    lines->channel.reset();
    run_newborn(*birth->request, *phase, birth->stdio, lines->report_end.get(), lines->channel_end.get());
  }
  if (birth->pid > 0) return;
  birth->status = failed("clone");
  birth->failed_index = phase->clone_step != kNoStep ? phase->clone_step : phase->join_step;
}

// Joins what the new process cannot join by itself or has to be born in, and gives birth to a sibling. It
// shares memory and descriptors with the monitor, which waits: results go straight into `birth`.
int run_intermediate(void* argument) {
  Birth* birth = static_cast<Birth*>(argument);
  ClonePhase* phase = birth->phase;
  for (uint32_t i = 0; i < phase->path_count; i++) {
    const ClonePhase::Path& path = phase->paths[i];
    if (setns(path.fd.get(), path.type) == 0) continue;
    birth->status = failed("join", path.path);
    birth->failed_index = path.step;
    return 0;
  }
  phase->paths_left = false;
  // Of a cgroup namespace nobody may enter cgroups outside, and a time namespace is not for who shares
  // memory.
  uint64_t later = phase->join & (kCloneNewCgroup | kCloneNewTime);
  uint64_t now = phase->join & ~later;
  if (now != 0 && setns(birth->request->container_pidfd, static_cast<int>(now)) != 0) {
    birth->status = failed("join");
    birth->failed_index = phase->join_step;
    return 0;
  }
  phase->join_left = later;
  give_birth(birth, kCloneParent);
  return 0;
}

bool needs_intermediate(const ClonePhase& phase) {
  for (uint32_t i = 0; i < phase.path_count; i++) {
    uint64_t type = static_cast<uint64_t>(phase.paths[i].type);
    if ((phase.flags & kCloneNewUser) != 0 || type == kCloneNewUser || type == kCloneNewPid) return true;
  }
  return phase.flags != 0 && phase.join != 0;
}

void use_intermediate(Birth* birth) {
  int status = run_sharing(run_intermediate, birth, 0);
  if (birth->pid > 0 || !birth->status.ok()) return;
  birth->status = status < 0 ? failed("clone") : failed_with(ECHILD, "clone");
}

// Into the pid namespace of the container one has to be born. Who has the right, makes its children be born
// there for a moment, which spares the intermediate process.
void join_and_give_birth(Birth* birth) {
  ClonePhase* phase = birth->phase;
  if ((phase->join & kCloneNewPid) == 0) return give_birth(birth, 0);
  // Opened once: it means the monitor as long as there is one.
  static int self = -1;
  if (self < 0) self = sys_pidfd_open(getpid());
  if (self < 0 || setns(birth->request->container_pidfd, CLONE_NEWPID) != 0) return use_intermediate(birth);
  phase->join_left = phase->join & ~kCloneNewPid;
  give_birth(birth, 0);
  if (setns(self, CLONE_NEWPID) == 0 || birth->pid < 0) return;
  // Never seen; later children would be born in the container.
  birth->status = failed("leave pid namespace");
}

// Keeps the user namespace for the after phase; its files can only be removed by ids of it.
void keep_user_namespace(pid_t pid, HostState* host) {
  char number[24], path[64];
  format_number(static_cast<uint64_t>(pid), number);
  size_t at = append(path, sizeof path, append(path, sizeof path, 0, "/proc/"), number);
  append(path, sizeof path, at, "/ns/user");
  host->user_namespace = UniqueFd(open(path, O_RDONLY | O_CLOEXEC));
}

// What the monitor does for the new process.
Status attend(const SpawnRequest& request, const ClonePhase& phase, Lines* lines, SpawnResult* result,
              uint32_t* failed_index) {
  if (phase.maps.any()) {
    Status status = write_id_maps(result->pid, phase.maps, failed_index);
    if (!status.ok()) return status;
    if (request.plan->has(Op::kRemoveTree)) keep_user_namespace(result->pid, request.host);
    char go = 0;
    if (!write_whole(lines->channel.get(), &go, 1)) return failed("release the new process");
  }
  if (request.terminal) result->terminal = receive_descriptor(lines->channel.get());
  return fine();
}

// A child inherits the value, and a process that has joined a container must not become dumpable to write its
// own.
class OomScore {
 public:
  explicit OomScore(const Plan& plan, bool joins) {
    Step step;
    if (!joins || !plan.find(Op::kOomScoreAdj, &step)) return;
    UniqueFd fd(open("/proc/self/oom_score_adj", O_RDONLY | O_CLOEXEC));
    if (!fd.ok() || read_text(fd.get(), before_, sizeof before_) <= 0) return;
    before_[strcspn(before_, "\n")] = '\0';
    if (strcmp(before_, step.str(0)) == 0) return;
    index_ = step.index();
    changed_ = set(step.str(0));
    if (!changed_) status_ = failed("write", "oom_score_adj", step.str(0));
  }
  ~OomScore() {
    if (changed_) set(before_);
  }
  const Status& status() const { return status_; }
  uint32_t index() const { return index_; }

 private:
  bool set(const char* value) {
    set_dumpable(true);
    UniqueFd fd(open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC));
    set_dumpable(false);
    return fd.ok() && write_whole(fd.get(), value, strlen(value));
  }
  char before_[16] = {};
  bool changed_ = false;
  uint32_t index_ = kNoStep;
  Status status_;
};

}  // namespace

Status spawn(const SpawnRequest& request, SpawnResult* result, uint32_t* failed_index) {
  *failed_index = kNoStep;
  ClonePhase phase;
  Lines lines;
  Status status = read_clone_phase(request, &phase, failed_index);
  if (status.ok()) status = open_lines(request, phase, &lines);
  Birth birth{&request, &phase, &lines, {}, {}, -1, -1, {}, kNoStep};
  if (status.ok()) status = prepare_stdio(request, &lines, birth.stdio);
  if (!status.ok()) return status;
  OomScore oom_score(*request.plan, phase.join != 0);
  if (!oom_score.status().ok()) {
    *failed_index = oom_score.index();
    return oom_score.status();
  }

  // The maps of a process that is not dumpable are root's to write. The new process turns it off again by
  // itself.
  bool dumpable = phase.maps.any() && geteuid() != 0;
  if (dumpable) set_dumpable(true);
  if (needs_intermediate(phase)) {
    use_intermediate(&birth);
  } else {
    join_and_give_birth(&birth);
  }
  if (dumpable) set_dumpable(false);
  result->cloned_at = monotonic_nanoseconds();
  result->pid = birth.pid;
  result->pidfd = UniqueFd(birth.pidfd);
  lines.report_end.reset();
  lines.channel_end.reset();
  status = birth.status;
  *failed_index = birth.failed_index;
  if (status.ok()) status = attend(request, phase, &lines, result, failed_index);
  if (!status.ok() && birth.pid > 0) {
    sys_pidfd_send_signal(result->pidfd.get(), SIGKILL);
    wait_for(birth.pid);
    result->pid = -1;
    result->pidfd.reset();
    return status;
  }
  result->report = take(lines.report);
  return status;
}

}  // namespace vaina
