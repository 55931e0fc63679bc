// Starts monitors. Node has threads, so between the clone and the exec only async-signal-safe calls are made,
// and all memory is shared with the suspended caller: nothing is copied, however large the heap is.
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <map>
#include <memory>
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

// The start of one monitor, and the descriptors that it gets copies of.
class Start {
 public:
  Start() = default;
  Start(const Start&) = delete;
  Start& operator=(const Start&) = delete;
  ~Start() { wait(); }

  // With `stdio`, argument `index`; false with an exception thrown.
  bool prepare(const Info& info, int index, UniqueFd plan) {
    if (!get_stdio(info, index, kNullDevice, child_.stdio)) return false;
    {
      std::lock_guard<std::mutex> lock(monitor_mutex);
      child_.monitor = monitor_fd;
    }
    if (child_.monitor < 0) {
      Nan::ThrowError("the monitor was not set");
      return false;
    }
    for (int& fd : child_.stdio) {
      if (fd >= 0) continue;
      fd = null_device();
      if (fd < 0) return refuse("open", "/dev/null");
    }
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0)
      return refuse("socketpair");
    ours_ = UniqueFd(pair[0]);
    theirs_ = UniqueFd(pair[1]);
    plan_ = static_cast<UniqueFd&&>(plan);
    child_.control = theirs_.get();
    child_.plan = plan_.get();
    return true;
  }

  void run() {
    pid_ = spawn(&child_);
    error_ = errno;
  }

  // In a thread: the caller of an exec is suspended until the program is mapped, and has better things to do.
  void run_aside() {
    aside_ = pthread_create(&thread_, nullptr, &Start::thread_main, this) == 0;
    if (!aside_) run();
  }

  // Waits for the end of it: the pid, or -1 with errno set. The monitor has its own copies then.
  int wait() {
    if (aside_) pthread_join(thread_, nullptr);
    aside_ = false;
    theirs_.reset();
    errno = error_;
    return pid_;
  }

  int plan() const { return plan_.get(); }
  int release_ours() { return ours_.release(); }

 private:
  static bool refuse(const char* syscall, const char* path = nullptr) {
    throw_errno(errno, syscall, path);
    return false;
  }

  static void* thread_main(void* argument) {
    static_cast<Start*>(argument)->run();
    return nullptr;
  }

  Child child_ = {};
  UniqueFd ours_, theirs_, plan_;
  pthread_t thread_ = {};
  bool aside_ = false;
  int pid_ = -1;
  int error_ = 0;
};

// Those that wait for their plan, by the number that JavaScript knows them by.
std::mutex waiting_mutex;
std::map<uint32_t, std::unique_ptr<Start>> waiting;
uint32_t next_waiting = 1;

std::unique_ptr<Start>* find_waiting(uint32_t number) {
  auto found = waiting.find(number);
  return found == waiting.end() ? nullptr : &found->second;
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
  if (!plan.ok()) return throw_errno(errno, syscall);
  Start start;
  if (!start.prepare(info, 1, take(plan))) return;
  start.run();
  const int pid = start.wait();
  if (pid < 0) return throw_errno(errno, "execveat");
  const int fd = start.release_ours();
  // That a monitor was killed in between is seen by the end of its socket, as at any other time.
  say_ready(fd);
  v8::Local<v8::Object> result = Nan::New<v8::Object>();
  set_property(result, "pid", Nan::New(pid));
  set_property(result, "fd", Nan::New(fd));
  info.GetReturnValue().Set(result);
}

// launchWaiting(stdio): { launch, fd }
NAN_METHOD(LaunchWaiting) {
  UniqueFd plan(empty_memfd("vaina-plan", Executable::kNo));
  if (!plan.ok()) return throw_errno(errno, "memfd_create");
  auto start = std::make_unique<Start>();
  if (!start->prepare(info, 0, take(plan))) return;
  const int fd = start->release_ours();
  start->run_aside();
  std::lock_guard<std::mutex> lock(waiting_mutex);
  const uint32_t number = next_waiting++;
  waiting[number] = take(start);
  v8::Local<v8::Object> result = Nan::New<v8::Object>();
  set_property(result, "launch", Nan::New(number));
  set_property(result, "fd", Nan::New(fd));
  info.GetReturnValue().Set(result);
}

// givePlan(launch, fd, bytes): pid. Fills and seals the memfd of a monitor that waits, and tells it so by one
// byte
NAN_METHOD(GivePlan) {
  uint32_t number;
  int control;
  Bytes bytes;
  if (!get_uint32(info, 0, "launch", &number) || !get_fd(info, 1, "fd", &control) ||
      !get_bytes(info, 2, "bytes", &bytes))
    return;
  std::lock_guard<std::mutex> lock(waiting_mutex);
  std::unique_ptr<Start>* start = find_waiting(number);
  if (start == nullptr) return throw_errno(ESRCH, "givePlan");
  const char* syscall = nullptr;
  if (!fill_memfd((*start)->plan(), bytes.data, bytes.size, &syscall)) return throw_errno(errno, syscall);
  const int pid = (*start)->wait();
  if (pid < 0) return throw_errno(errno, "execveat");
  if (!say_ready(control)) return throw_errno(errno, "send");
  waiting.erase(number);
  info.GetReturnValue().Set(pid);
}

// abandonLaunch(launch): the pid of a monitor that gets no plan, or 0 when it never ran
NAN_METHOD(AbandonLaunch) {
  uint32_t number;
  if (!get_uint32(info, 0, "launch", &number)) return;
  std::lock_guard<std::mutex> lock(waiting_mutex);
  std::unique_ptr<Start>* start = find_waiting(number);
  if (start == nullptr) return throw_errno(ESRCH, "abandonLaunch");
  const int pid = (*start)->wait();
  waiting.erase(number);
  info.GetReturnValue().Set(pid < 0 ? 0 : pid);
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
  Nan::SetMethod(exports, "abandonLaunch", AbandonLaunch);
  Nan::SetMethod(exports, "reap", Reap);
}

}  // namespace vaina
