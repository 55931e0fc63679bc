#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../sys/io.h"
#include "../sys/process.h"
#include "../sys/syscalls.h"

#ifndef TIOCGPTPEER
#define TIOCGPTPEER 0x5441
#endif

namespace vaina {
namespace {

// For what others, who keep its pipes open, write after the end of a process. What it wrote itself is there.
constexpr uint64_t kGrace = 50u * 1000000;

bool make_nonblocking(int fd) {
  int flags = fcntl(fd, F_GETFL);
  return flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0;
}

}  // namespace

uint64_t wall_clock_nanoseconds() {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000000u + static_cast<uint64_t>(now.tv_nsec);
}

Status Process::start(const Plan& plan, HostState* host, const StdioPolicy& policy, UniqueFd (&stdio)[3],
                      int container_pidfd, uint32_t* failed_index) {
  piped_ = policy.piped;
  UniqueFd ours[3], theirs[3];
  StdioFd input;
  SpawnRequest request;
  request.plan = &plan;
  request.host = host;
  request.container_pidfd = container_pidfd;
  request.terminal = policy.terminal;
  request.rows = policy.rows;
  request.columns = policy.columns;
  if (piped_) input = StdioFd::adopt(take(stdio[0]), StdioFd::Use::kRead);
  if (piped_ && !policy.terminal) {
    Status status = open_pipes(policy, input.ok(), ours, theirs);
    if (!status.ok()) return status;
  }
  for (int i = 0; i < 3; i++) request.stdio[i] = piped_ ? theirs[i].get() : stdio[i].get();

  SpawnResult result;
  Status status = spawn(request, &result, failed_index);
  timings.clone = monotonic_nanoseconds();
  if (!status.ok()) return status;
  pid = result.pid;
  pidfd_ = take(result.pidfd);
  report_ = take(result.report);
  for (int i = 0; i < 3; i++) {
    theirs[i].reset();
    if (!piped_) stdio[i].reset();
  }
  if (!make_nonblocking(report_.get()) || !watch(&report_watch_, report_.get(), EPOLLIN, on_report, this) ||
      !watch(&end_watch_, pidfd_.get(), EPOLLIN, on_end, this)) {
    status = failed("watch the new process");
    signal(SIGKILL);
    waitpid(pid, nullptr, __WALL);
    return status;
  }
  if (!piped_) return fine();
  connect_pipes(policy, ours, take(result.terminal));
  for (int i = 0; i < 2; i++) {
    outputs_[i].add_client(StdioFd::adopt(take(stdio[i + 1]), StdioFd::Use::kWrite), true);
  }
  if (input.ok()) input_.add_source(static_cast<StdioFd&&>(input));
  return fine();
}

Status Process::open_pipes(const StdioPolicy& policy, bool has_stdin, UniqueFd (&ours)[3],
                           UniqueFd (&theirs)[3]) {
  for (int i = 0; i < 3; i++) {
    // Without anybody who could ever write there it is /dev/null.
    if (i == 0 && !has_stdin && !policy.keep_stdin) continue;
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return failed("make pipe");
    ours[i].reset(ends[i == 0 ? 1 : 0]);
    theirs[i].reset(ends[i == 0 ? 0 : 1]);
    if (!make_nonblocking(ours[i].get())) return failed("make pipe");
  }
  return fine();
}

void Process::connect_pipes(const StdioPolicy& policy, UniqueFd (&ours)[3], UniqueFd terminal) {
  if (!policy.terminal) {
    if (ours[0].ok()) input_.start(take(ours[0]), false, policy.keep_stdin);
    outputs_[0].start(take(ours[1]), Stream::kOut, policy.logged);
    outputs_[1].start(take(ours[2]), Stream::kErr, policy.logged);
    return;
  }
  // Without one the report says why.
  if (!terminal.ok() || !make_nonblocking(terminal.get())) return;
  master_ = take(terminal);
  // As long as we have the other end open as well, a process that closes and opens its terminal finds it
  // working.
  slave_.reset(ioctl(master_.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
  outputs_[0].start(UniqueFd(fcntl(master_.get(), F_DUPFD_CLOEXEC, 3)), Stream::kOut, policy.logged);
  input_.start(UniqueFd(fcntl(master_.get(), F_DUPFD_CLOEXEC, 3)), true, policy.keep_stdin);
}

int Process::signal(int number) {
  return sys_pidfd_send_signal(pidfd_.get(), number) == 0 ? 0 : errno;
}

int Process::resize(uint16_t rows, uint16_t columns) {
  if (!master_.ok()) return ENOTTY;
  winsize size{rows, columns, 0, 0};
  return ioctl(master_.get(), TIOCSWINSZ, &size) == 0 ? 0 : errno;
}

int Process::attach(UniqueFd (&stdio)[3]) {
  if (!piped_) return ENOTSUP;
  if (state == State::kEnded) return ESRCH;
  if (stdio[0].ok()) {
    StdioFd fd = StdioFd::adopt(take(stdio[0]), StdioFd::Use::kRead);
    if (fd.ok() && !input_.add_source(static_cast<StdioFd&&>(fd))) return EPIPE;
  }
  for (int i = 0; i < 2; i++) {
    if (!stdio[i + 1].ok()) continue;
    if (!outputs_[i].add_client(StdioFd::adopt(take(stdio[i + 1]), StdioFd::Use::kWrite), false))
      return EMFILE;
  }
  return 0;
}

void Process::limit_patience() {
  for (Output& output : outputs_) output.limit_patience();
}

void Process::hurry() {
  hurry_ = true;
  for (Output& output : outputs_) {
    output.abandon_clients();
    if (state == State::kEnded) output.drain(monotonic_nanoseconds());
  }
}

bool Process::finished() const {
  return state == State::kEnded && outputs_[0].finished() && outputs_[1].finished();
}

void Process::on_report(void* context, uint32_t) {
  static_cast<Process*>(context)->read_report();
}

void Process::read_report() {
  if (!report_.ok()) return;
  ssize_t count = retry([&] { return read(report_.get(), &failure, sizeof failure); });
  if (count < 0 && errno == EAGAIN) return;
  unwatch(&report_watch_);
  report_.reset();
  if (count == static_cast<ssize_t>(sizeof failure)) {
    failure.text[sizeof failure.text - 1] = '\0';
    failed_to_start = true;
    state = State::kFailed;
    return;
  }
  begin();
}

void Process::begin() {
  timings.exec = monotonic_nanoseconds();
  started_at = wall_clock_nanoseconds();
  state = State::kRunning;
  handle_started(this);
}

void Process::on_end(void* context, uint32_t) {
  Process* process = static_cast<Process*>(context);
  // Both may come in one round.
  process->read_report();
  pid_t ended =
      retry([&] { return wait4(process->pid, &process->wait_status, __WALL | WNOHANG, &process->usage); });
  if (ended == 0) return;
  // Killed while somebody else had the line open.
  if (process->state == State::kStarting) process->begin();
  process->finished_at = wall_clock_nanoseconds();
  process->state = State::kEnded;
  unwatch(&process->end_watch_);
  unwatch(&process->report_watch_);
  process->slave_.reset();
  process->input_.stop();
  uint64_t deadline = monotonic_nanoseconds() + (process->hurry_ ? 0 : kGrace);
  for (Output& output : process->outputs_) output.drain(deadline);
  handle_ended(process);
}

Process::~Process() {
  clear_timer(&start_timer);
  unwatch(&end_watch_);
  unwatch(&report_watch_);
}

}  // namespace vaina
