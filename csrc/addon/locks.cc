// Open-file-description locks on byte 0: they belong to the descriptor, so threads exclude each other as
// processes do, and closing some other descriptor of the file does not release them.
#include <errno.h>
#include <fcntl.h>

#include "addon.h"

namespace vaina {
namespace {

struct flock first_byte(short type) {
  struct flock lock = {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = 0;
  lock.l_len = 1;
  return lock;
}

// tryLock(path, exclusive): fd or -1
NAN_METHOD(TryLock) {
  std::string path;
  if (!get_string(info, 0, "path", &path)) return;
  if (!info[1]->IsBoolean()) return Nan::ThrowTypeError("exclusive must be a boolean");
  UniqueFd fd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600));
  if (fd.get() < 0) return throw_errno(errno, "open", path.c_str());
  struct flock lock = first_byte(Nan::To<bool>(info[1]).FromJust() ? F_WRLCK : F_RDLCK);
  if (fcntl(fd.get(), F_OFD_SETLK, &lock) == 0) return info.GetReturnValue().Set(fd.release());
  if (errno != EAGAIN && errno != EACCES) return throw_errno(errno, "fcntl", path.c_str());
  info.GetReturnValue().Set(-1);
}

// isLocked(path): boolean
NAN_METHOD(IsLocked) {
  std::string path;
  if (!get_string(info, 0, "path", &path)) return;
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (fd.get() < 0) {
    if (errno != ENOENT) return throw_errno(errno, "open", path.c_str());
    return info.GetReturnValue().Set(false);
  }
  struct flock lock = first_byte(F_WRLCK);
  if (fcntl(fd.get(), F_OFD_GETLK, &lock) != 0) return throw_errno(errno, "fcntl", path.c_str());
  info.GetReturnValue().Set(lock.l_type != F_UNLCK);
}

}  // namespace

void register_locks(v8::Local<v8::Object> exports) {
  Nan::SetMethod(exports, "tryLock", TryLock);
  Nan::SetMethod(exports, "isLocked", IsLocked);
}

}  // namespace vaina
