#include "supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../plan/after.h"
#include "../sys/io.h"
#include "../sys/process.h"
#include "connection.h"
#include "log.h"
#include "loop.h"
#include "pages.h"
#include "plan_file.h"
#include "policy.h"
#include "record.h"
#include "run_dir.h"

namespace vaina {
namespace {

constexpr uint32_t kMaxSessions = 1024;
constexpr uint32_t kSetupFailed = 125;
constexpr uint64_t kMillisecond = 1000000;
constexpr uint64_t kAcceptPause = 100 * kMillisecond;
constexpr uint64_t kBriefTime = 5 * kMillisecond;

// All that a monitor knows. There is one, and it lives as long as the program.
struct Monitor {
  PlanFile file;
  Policy policy;
  HostState host;
  RunDir run_dir;
  UniqueFd listener;
  Watch listener_watch;
  Timer kill_timer;
  Timer accept_timer;
  Connection* owner = nullptr;  // on descriptor 3
  Process* container = nullptr;
  Process* sessions = nullptr;
  uint32_t session_count = 0;
  uint32_t last_target = 0;
  uint64_t oom_kills = 0;  // as last seen
  // Only who holds the lock may undo things: the cgroup could be another monitor's.
  bool responsible = false;
  bool ending = false;
};

Monitor* monitor = nullptr;

void fill_failure(Body* body, uint32_t index, uint32_t error, uint32_t exit_code, const char* text) {
  body->u32(index);
  body->u32(error);
  body->u32(exit_code);
  body->text(text);
}

void fill_failure(Body* body, uint32_t index, const Status& status) {
  char text[1012];
  describe(status, text, sizeof text);
  fill_failure(body, index, static_cast<uint32_t>(status.error), kSetupFailed, text);
}

void on_connect(void*, uint32_t);

void accept_again(void*) {
  if (monitor->listener.ok()) {
    watch(&monitor->listener_watch, monitor->listener.get(), EPOLLIN, on_connect, nullptr);
  }
}

void on_connect(void*, uint32_t) {
  for (;;) {
    UniqueFd fd(accept4(monitor->listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!fd.ok()) {
      // Still waiting to be accepted, it would wake us without end.
      if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) {
        unwatch(&monitor->listener_watch);
        set_timer(&monitor->accept_timer, monotonic_nanoseconds() + kAcceptPause, accept_again, nullptr);
      }
      return;
    }
    ucred peer{};
    socklen_t size = sizeof peer;
    if (getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) continue;
    if (peer.uid != 0 && peer.uid != geteuid()) continue;
    open_connection(take(fd));
  }
}

// Whether the exit record is where the plan wants it; else it is in the run directory, which has to stay.
bool keep_record(const ExitRecord& record) {
  char text[kRecordSize];
  size_t size = format_record(record, text);
  const char* path = monitor->policy.exit_record;
  if (path == nullptr || write_whole_file(path, text, size).ok()) return true;
  if (monitor->run_dir.locked()) (void)monitor->run_dir.write("exit", text, size);
  return false;
}

// Runs the after phase, and lets go of the directory.
void clean_up(bool run_dir_stays) {
  Step step;
  const Plan& plan = monitor->file.plan();
  uint32_t unused;
  // What it leaves behind is found by whoever looks at the store; here is nobody to tell.
  (void)run_after(plan, &monitor->host, &unused);
  if (!run_dir_stays && monitor->policy.run_dir != nullptr && plan.find(Op::kRemoveRunDir, &step)) {
    (void)remove_run_dir(monitor->policy.run_dir);
  }
  // Who came before the lock is free gets an answer.
  if (monitor->listener.ok()) on_connect(nullptr, EPOLLIN);
  unwatch(&monitor->listener_watch);
  monitor->listener.reset();
  monitor->run_dir.release();
  handle_waiting_requests();
}

[[noreturn]] void end_with_failure(const Body& failure) {
  monitor->ending = true;
  if (monitor->responsible) clean_up(false);
  announce_failure(0, failure);
  _exit(1);
}

[[noreturn]] void end_with_failure(uint32_t index, const Status& status) {
  Body failure;
  fill_failure(&failure, index, status);
  end_with_failure(failure);
}

[[noreturn]] void end_with_record() {
  monitor->ending = true;
  Process* container = monitor->container;
  if (container->failed_to_start) {
    Body failure;
    const SpawnFailure& why = container->failure;
    fill_failure(&failure, why.index, why.error, why.exit_code, why.text);
    end_with_failure(failure);
  }
  CgroupUsage usage = read_cgroup_usage(monitor->host);
  ExitRecord record = record_of(*container, usage, usage.oom_kills > 0);
  // Whoever started the container has something to clean up too, and need not wait for us.
  if (monitor->owner != nullptr) send_message(monitor->owner, Message::kEnding, 0, nullptr, 0);
  clean_up(!keep_record(record));
  announce_end(0, record_body(record));
  _exit(0);
}

void announce(void* context) {
  Process* process = static_cast<Process*>(context);
  if (process->announced) return;
  process->announced = true;
  Body body;
  body.u32(process->target);
  body.u32(static_cast<uint32_t>(process->pid));
  body.u64(process->timings.main);
  body.u64(process->timings.host);
  body.u64(process->timings.clone);
  body.u64(process->timings.exec);
  announce_start(process->target, body);
}

void end_session(Process* session) {
  if (session->failed_to_start) {
    Body failure;
    const SpawnFailure& why = session->failure;
    fill_failure(&failure, why.index, why.error, why.exit_code, why.text);
    announce_failure(session->target, failure);
    return;
  }
  bool oom_killed = false;
  if (WIFSIGNALED(session->wait_status) && WTERMSIG(session->wait_status) == SIGKILL) {
    uint64_t kills = read_cgroup_usage(monitor->host).oom_kills;
    oom_killed = kills > monitor->oom_kills;
    monitor->oom_kills = kills;
  }
  announce(session);
  announce_end(session->target, record_body(record_of(*session, CgroupUsage(), oom_killed)));
}

// After each round of the loop: what has ended is announced and deleted.
void review() {
  for (Process** place = &monitor->sessions; *place != nullptr;) {
    Process* session = *place;
    if (!session->finished()) {
      place = &session->next;
      continue;
    }
    end_session(session);
    *place = session->next;
    delete_in_pages(session);
    monitor->session_count--;
  }
  delete_closed_connections();
  if (monitor->sessions == nullptr && monitor->container->finished()) end_with_record();
}

void kill_container(void*) {
  monitor->container->signal(SIGKILL);
}

// Nobody else reads or waits for this container any more.
void kill_all() {
  monitor->container->signal(SIGKILL);
  monitor->container->hurry();
  for (Process* session = monitor->sessions; session != nullptr; session = session->next) {
    session->signal(SIGKILL);
    session->hurry();
  }
}

void open_run_dir() {
  const char* path = monitor->policy.run_dir;
  monitor->responsible = path == nullptr;
  if (path == nullptr) return;
  Step step;
  uint32_t index = monitor->file.plan().find(Op::kRunDir, &step) ? step.index() : kNoStep;
  Status status = monitor->run_dir.open(path);
  monitor->responsible = status.ok();
  if (status.ok()) status = monitor->run_dir.listen(&monitor->listener);
  if (!status.ok()) end_with_failure(index, status);
  if (!watch(&monitor->listener_watch, monitor->listener.get(), EPOLLIN, on_connect, nullptr)) {
    end_with_failure(index, failed("watch ctl.sock in", path));
  }
}

void open_container_log() {
  if (monitor->policy.log == nullptr) return;
  Status status = open_log(monitor->policy.log, monitor->policy.log_limit);
  Step step;
  uint32_t index = monitor->file.plan().find(Op::kLog, &step) ? step.index() : kNoStep;
  if (!status.ok()) end_with_failure(index, status);
}

// The three descriptors that the caller gave us move to the container or its clients: an end of file that
// they wait for must not wait for us.
void take_stdio(UniqueFd (&stdio)[3]) {
  UniqueFd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  for (int i = 0; i < 3; i++) {
    stdio[i].reset(fcntl(i, F_DUPFD_CLOEXEC, 3));
    dup3(null.get(), i, O_CLOEXEC);
  }
}

void start_container(uint64_t main_at) {
  if (monitor->file.plan().only_cleans()) {
    monitor->ending = true;
    clean_up(false);
    _exit(0);
  }
  UniqueFd stdio[3];
  take_stdio(stdio);
  Process* container = monitor->container;
  container->timings.main = main_at;
  uint32_t index = kNoStep;
  const Plan& plan = monitor->file.plan();
  Status status = run_host(plan, &monitor->host, &index);
  container->timings.host = monotonic_nanoseconds();
  if (status.ok()) {
    index = kNoStep;
    status = container->start(plan, &monitor->host, monitor->policy.stdio, stdio, -1, &index);
  }
  if (!status.ok()) end_with_failure(index, status);
}

}  // namespace

void supervise(UniqueFd plan, UniqueFd control, uint64_t main_at) {
  monitor = new_in_pages<Monitor>();
  if (monitor == nullptr || !open_loop().ok()) _exit(1);
  monitor->container = new_in_pages<Process>();
  monitor->owner = open_connection(take(control));
  if (monitor->container == nullptr || monitor->owner == nullptr) _exit(1);
  expect(monitor->owner, Wait::kStart, 0, 0);
  uint32_t index = kNoStep;
  Status status = monitor->file.open(take(plan), &index);
  if (status.ok()) status = read_policy(monitor->file.plan(), &monitor->policy, &index);
  if (!status.ok()) end_with_failure(index, status);
  open_run_dir();
  open_container_log();
  start_container(main_at);
  run_loop(review);
}

void handle_started(Process* process) {
  if (process->target == 0) {
    char number[24], path[48];
    size_t size = format_number(static_cast<uint64_t>(process->pid), number);
    snprintf(path, sizeof path, "/proc/%s/root", number);
    monitor->host.root.reset(open(path, O_PATH | O_DIRECTORY | O_CLOEXEC));
    // Only a convenience for others: the lock says who is alive, the pidfd who is meant.
    if (monitor->run_dir.locked()) (void)monitor->run_dir.write("pid", number, size);
  }
  // Whoever is told wakes up, often on the very processor that the new process runs on.
  if (process->brief) {
    set_timer(&process->start_timer, monotonic_nanoseconds() + kBriefTime, announce, process);
  } else {
    announce(process);
  }
}

void handle_ended(Process* process) {
  if (process->target != 0) return;
  clear_timer(&monitor->kill_timer);
  for (Process* session = monitor->sessions; session != nullptr; session = session->next) {
    session->signal(SIGKILL);
    session->limit_patience();
  }
}

void handle_closed(Connection* connection) {
  if (connection != monitor->owner) return;
  monitor->owner = nullptr;
  if (!monitor->policy.detach && !monitor->ending) kill_all();
}

Process* find_process(uint32_t target) {
  Process* process = target == 0 ? monitor->container : monitor->sessions;
  while (process != nullptr && process->target != target) process = process->next;
  return process;
}

Process* start_exec(const uint8_t* bytes, size_t size, UniqueFd (&stdio)[3], bool terminal, uint16_t rows,
                    uint16_t columns, Body* failure) {
  uint64_t main_at = monotonic_nanoseconds();
  uint32_t index = kNoStep;
  Plan plan;
  StdioPolicy policy;
  Status status;
  if (monitor->container->state != Process::State::kRunning)
    status = failed_with(ESRCH, "exec");
  else if (monitor->session_count == kMaxSessions)
    status = failed_with(EAGAIN, "exec");
  if (status.ok()) status = Plan::decode(bytes, size, &plan, &index);
  if (status.ok()) status = read_exec_policy(plan, &policy, &index);
  if (terminal) {
    policy.piped = policy.terminal = true;
    policy.rows = rows;
    policy.columns = columns;
  }
  Process* session = status.ok() ? new_in_pages<Process>() : nullptr;
  if (status.ok() && session == nullptr) status = failed_with(ENOMEM, "exec");
  if (status.ok()) {
    session->timings.main = main_at;
    session->timings.host = monotonic_nanoseconds();
    index = kNoStep;
    // The container's host state: an exec starts in the cgroups of its container, whatever its plan says.
    status = session->start(plan, &monitor->host, policy, stdio, monitor->container->pidfd(), &index);
  }
  if (!status.ok()) {
    fill_failure(failure, index, status);
    delete_in_pages(session);
    return nullptr;
  }
  if (++monitor->last_target == 0) monitor->last_target = 1;
  session->target = monitor->last_target;
  session->next = monitor->sessions;
  monitor->sessions = session;
  monitor->session_count++;
  return session;
}

int stop_container(uint32_t signal, uint32_t milliseconds) {
  Process* container = monitor->container;
  if (container->state == Process::State::kEnded) return 0;
  int number = signal == 0 ? monitor->policy.stop_signal : static_cast<int>(signal);
  if (milliseconds == kAllOnes) milliseconds = monitor->policy.stop_milliseconds;
  int error = container->signal(number);
  if (error != 0 && error != ESRCH) return error;
  uint64_t at = monotonic_nanoseconds() + milliseconds * kMillisecond;
  // The most impatient of several stops decides.
  if (monitor->kill_timer.at == 0 || at < monitor->kill_timer.at) {
    set_timer(&monitor->kill_timer, at, kill_container, nullptr);
  }
  return 0;
}

}  // namespace vaina
