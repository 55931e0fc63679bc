#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "addon.h"

namespace vaina {
namespace {

constexpr int kRenameRetries = 64;

// An O_PATH descriptor of what the path names below the root, or -1 with errno set.
int open_below(int root, const char* path) {
  struct open_how how = {};
  how.flags = O_PATH | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  int fd = -1;
  // EAGAIN: a rename anywhere raced with a "..".
  for (int i = 0; i < kRenameRetries; i++) {
    fd = static_cast<int>(syscall(SYS_openat2, root, path, &how, sizeof how));
    if (fd >= 0 || (errno != EAGAIN && errno != EINTR)) break;
  }
  return fd;
}

// readFileIn(root, path, limit): Buffer | undefined
NAN_METHOD(ReadFileIn) {
  std::string root_path, path;
  if (!get_string(info, 0, "root", &root_path) || !get_string(info, 1, "path", &path)) return;
  if (!info[2]->IsNumber()) return Nan::ThrowTypeError("limit must be a number");
  const double limit = Nan::To<double>(info[2]).FromJust();
  if (!(limit >= 0 && limit <= node::Buffer::kMaxLength)) {
    return Nan::ThrowTypeError("limit must be the length of a buffer");
  }
  UniqueFd root(open(root_path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (root.get() < 0) return throw_errno(errno, "open", root_path.c_str());
  UniqueFd found(open_below(root.get(), path.c_str()));
  if (found.get() < 0) {
    if (errno == ENOENT || errno == ENOTDIR) return;
    return throw_errno(errno, "openat2", path.c_str());
  }
  // Looked at before it is opened: to open a device or a FIFO may already do something.
  struct stat status;
  if (fstat(found.get(), &status) != 0) return throw_errno(errno, "fstat", path.c_str());
  if (!S_ISREG(status.st_mode)) return throw_errno(EINVAL, "openat2", path.c_str());
  if (static_cast<double>(status.st_size) > limit) return throw_errno(EFBIG, "read", path.c_str());
  char link[32];
  snprintf(link, sizeof link, "/proc/self/fd/%d", found.get());
  UniqueFd fd(open(link, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (fd.get() < 0) return throw_errno(errno, "open", path.c_str());
  std::string content;
  char chunk[16384];
  for (;;) {
    ssize_t count = read(fd.get(), chunk, sizeof chunk);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return throw_errno(errno, "read", path.c_str());
    if (count == 0) break;
    content.append(chunk, static_cast<size_t>(count));
    if (static_cast<double>(content.size()) > limit) return throw_errno(EFBIG, "read", path.c_str());
  }
  v8::Local<v8::Object> buffer;
  if (Nan::CopyBuffer(content.data(), static_cast<uint32_t>(content.size())).ToLocal(&buffer)) {
    info.GetReturnValue().Set(buffer);
  }
}

// fsync(path)
NAN_METHOD(Fsync) {
  std::string path;
  if (!get_string(info, 0, "path", &path)) return;
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (fd.get() < 0) return throw_errno(errno, "open", path.c_str());
  int result;
  do {
    result = fsync(fd.get());
  } while (result != 0 && errno == EINTR);
  if (result != 0) throw_errno(errno, "fsync", path.c_str());
}

class SyncfsWorker : public Nan::AsyncWorker {
 public:
  SyncfsWorker(UniqueFd fd, const std::string& path, Nan::Callback* done)
      : Nan::AsyncWorker(done, "vaina:syncfs"), fd_(take(fd)), path_(path) {}

  void Execute() override {
    while (syncfs(fd_.get()) != 0) {
      if (errno == EINTR) continue;
      error_ = errno;
      return;
    }
  }

  void HandleOKCallback() override {
    Nan::HandleScope scope;
    v8::Local<v8::Value> error = Nan::Undefined();
    if (error_ != 0) error = Nan::ErrnoException(error_, "syncfs", nullptr, path_.c_str());
    callback->Call(1, &error, async_resource);
  }

 private:
  UniqueFd fd_;
  std::string path_;
  int error_ = 0;
};

// syncfsLater(path, done): on a thread of the pool
NAN_METHOD(SyncfsLater) {
  std::string path;
  if (!get_string(info, 0, "path", &path)) return;
  if (!info[1]->IsFunction()) return Nan::ThrowTypeError("done must be a function");
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (fd.get() < 0) return throw_errno(errno, "open", path.c_str());
  Nan::AsyncQueueWorker(new SyncfsWorker(take(fd), path, new Nan::Callback(info[1].As<v8::Function>())));
}

}  // namespace

void register_files(v8::Local<v8::Object> exports) {
  Nan::SetMethod(exports, "readFileIn", ReadFileIn);
  Nan::SetMethod(exports, "fsync", Fsync);
  Nan::SetMethod(exports, "syncfsLater", SyncfsLater);
}

}  // namespace vaina
