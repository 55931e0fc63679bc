// Starts monitors. Node has threads, so between the clone and the exec only async-signal-safe calls are made,
// and all memory is shared with the suspended caller: nothing is copied, however large the heap is.
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mutex>

#include "addon.h"

namespace vaina {
namespace {

constexpr int kControlFd = 3;
constexpr int kPlanFd = 4;
// Above every number that the monitor gets, so that no dup2 overwrites a source.
constexpr int kScratchFd = 10;

std::mutex monitor_mutex;
int monitor_fd = -1;

struct Child {
  int stdio[3];
  int control;
  int plan;
  int monitor;
  // Written by the child; the memory is the caller's.
  int error;
};

[[noreturn]] void fail(Child* child) {
  child->error = errno;
  _exit(127);
}

int run_child(void* argument) {
  auto* child = static_cast<Child*>(argument);
  const int sources[] = {child->stdio[0], child->stdio[1], child->stdio[2], child->control, child->plan};
  int copies[5];
  for (int i = 0; i < 5; i++) {
    copies[i] = fcntl(sources[i], F_DUPFD_CLOEXEC, kScratchFd);
    if (copies[i] < 0) fail(child);
  }
  const int monitor = fcntl(child->monitor, F_DUPFD_CLOEXEC, kScratchFd);
  if (monitor < 0) fail(child);
  for (int i = 0; i < 5; i++) {
    if (dup2(copies[i], i) < 0) fail(child);
  }
  // Whatever else this process or its libraries opened, with O_CLOEXEC or not, ends at the exec.
  if (syscall(SYS_close_range, kPlanFd + 1, ~0U, CLOSE_RANGE_CLOEXEC) != 0) fail(child);
  char name[] = "vaina-monitor";
  char* const argv[] = {name, nullptr};
  char* const envp[] = {nullptr};
  syscall(SYS_execveat, monitor, "", argv, envp, AT_EMPTY_PATH);
  fail(child);
}

// The pid, or -1 with errno set.
int spawn(Child* child) {
  alignas(16) char stack[16384];
  sigset_t all, before;
  sigfillset(&all);
  // A handler of Node that ran in the child would run on shared memory. The monitor unblocks them.
  pthread_sigmask(SIG_SETMASK, &all, &before);
  child->error = 0;
  int pid = clone(run_child, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, child);
  int error = errno;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (pid >= 0 && child->error != 0) {
    error = child->error;
    while (waitpid(pid, nullptr, __WALL) < 0 && errno == EINTR) continue;
    pid = -1;
  }
  errno = error;
  return pid;
}

// setMonitor(path): copies the monitor's program, once per process.
NAN_METHOD(SetMonitor) {
  std::string path;
  if (!get_string(info, 0, "path", &path)) return;
  std::lock_guard<std::mutex> lock(monitor_mutex);
  if (monitor_fd >= 0) return;
  UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return throw_errno(errno, "open", path.c_str());
  struct stat status;
  if (fstat(file.get(), &status) != 0) return throw_errno(errno, "fstat", path.c_str());
  std::string program(static_cast<size_t>(status.st_size), '\0');
  for (size_t done = 0; done < program.size();) {
    ssize_t count = read(file.get(), &program[done], program.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return throw_errno(count < 0 ? errno : EIO, "read", path.c_str());
    done += static_cast<size_t>(count);
  }
  const char* syscall = nullptr;
  int fd = sealed_memfd("vaina-monitor", program.data(), program.size(), Executable::kYes, &syscall);
  if (fd < 0) return throw_errno(errno, syscall, path.c_str());
  monitor_fd = fd;
}

bool get_stdio(const Info& info, int index, int (&stdio)[3]) {
  bool valid = info[index]->IsArray() && info[index].As<v8::Array>()->Length() == 3;
  for (uint32_t i = 0; valid && i < 3; i++) {
    v8::Local<v8::Value> value;
    valid = Nan::Get(info[index].As<v8::Array>(), i).ToLocal(&value) && to_fd(value, true, &stdio[i]);
  }
  if (!valid) Nan::ThrowTypeError("stdio must be an array of three file descriptors");
  return valid;
}

// Starts a monitor with `stdio`, argument `index`, and the plan. The result, or empty with an exception
// thrown.
v8::MaybeLocal<v8::Object> start_monitor(const Info& info, int index, int plan) {
  Child child = {};
  if (!get_stdio(info, index, child.stdio)) return {};
  {
    std::lock_guard<std::mutex> lock(monitor_mutex);
    child.monitor = monitor_fd;
  }
  if (child.monitor < 0) {
    Nan::ThrowError("the monitor was not set");
    return {};
  }
  UniqueFd null;
  for (int& fd : child.stdio) {
    if (fd >= 0) continue;
    if (null.get() < 0) null = UniqueFd(open("/dev/null", O_RDWR | O_CLOEXEC));
    if (null.get() < 0) {
      throw_errno(errno, "open", "/dev/null");
      return {};
    }
    fd = null.get();
  }
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0) {
    throw_errno(errno, "socketpair");
    return {};
  }
  UniqueFd ours(pair[0]), theirs(pair[1]);
  child.plan = plan;
  child.control = theirs.get();
  int pid = spawn(&child);
  if (pid < 0) {
    throw_errno(errno, "execveat");
    return {};
  }
  v8::Local<v8::Object> result = Nan::New<v8::Object>();
  set_property(result, "pid", Nan::New(pid));
  set_property(result, "fd", Nan::New(ours.release()));
  return result;
}

// Tells a monitor that its plan is there; false with errno set.
bool say_ready(int control) {
  const char ready = 0;
  ssize_t sent;
  do {
    sent = send(control, &ready, 1, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return sent == 1;
}

// launch(plan, stdio): { pid, fd }
NAN_METHOD(Launch) {
  Bytes bytes;
  if (!get_bytes(info, 0, "plan", &bytes)) return;
  const char* syscall = nullptr;
  UniqueFd plan(sealed_memfd("vaina-plan", bytes.data, bytes.size, Executable::kNo, &syscall));
  if (plan.get() < 0) return throw_errno(errno, syscall);
  v8::Local<v8::Object> result;
  if (!start_monitor(info, 1, plan.get()).ToLocal(&result)) return;
  // That a monitor was killed in between is seen by the end of its socket, as at any other time.
  say_ready(Nan::To<int>(property(result, "fd")).FromJust());
  info.GetReturnValue().Set(result);
}

// launchWaiting(stdio): { pid, fd, plan }
NAN_METHOD(LaunchWaiting) {
  UniqueFd plan(empty_memfd("vaina-plan", Executable::kNo));
  if (plan.get() < 0) return throw_errno(errno, "memfd_create");
  v8::Local<v8::Object> result;
  if (!start_monitor(info, 0, plan.get()).ToLocal(&result)) return;
  set_property(result, "plan", Nan::New(plan.release()));
  info.GetReturnValue().Set(result);
}

// givePlan(plan, fd, bytes): fills and seals the memfd of a monitor that waits, and tells it so by one byte
NAN_METHOD(GivePlan) {
  int plan, control;
  Bytes bytes;
  if (!get_fd(info, 0, "plan", &plan) || !get_fd(info, 1, "fd", &control) ||
      !get_bytes(info, 2, "bytes", &bytes))
    return;
  const char* syscall = nullptr;
  if (!fill_memfd(plan, bytes.data, bytes.size, &syscall)) return throw_errno(errno, syscall);
  if (!say_ready(control)) throw_errno(errno, "send");
}

// reap(pid): boolean
NAN_METHOD(Reap) {
  uint32_t pid;
  if (!get_uint32(info, 0, "pid", &pid)) return;
  // 0 and the negative ones would wait for any child, which belongs to somebody else.
  if (pid == 0 || pid > INT32_MAX) return Nan::ThrowTypeError("pid must be the pid of a monitor");
  int result;
  do {
    result = waitpid(static_cast<pid_t>(pid), nullptr, WNOHANG | __WALL);
  } while (result < 0 && errno == EINTR);
  // ECHILD: somebody has collected it already.
  info.GetReturnValue().Set(result != 0);
}

}  // namespace

void register_launch(v8::Local<v8::Object> exports) {
  Nan::SetMethod(exports, "setMonitor", SetMonitor);
  Nan::SetMethod(exports, "launch", Launch);
  Nan::SetMethod(exports, "launchWaiting", LaunchWaiting);
  Nan::SetMethod(exports, "givePlan", GivePlan);
  Nan::SetMethod(exports, "reap", Reap);
}

}  // namespace vaina
