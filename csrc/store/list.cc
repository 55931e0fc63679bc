#include "list.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "../sys/directory.h"
#include "../sys/unique_fd.h"
#include "resolve.h"

namespace vaina {
namespace {

constexpr size_t kMaxNames = 64 * 1024;  // of all extended attributes of a file: the kernel's limit
constexpr size_t kMaxTarget = 4096;

// Writes the parts of an answer in order. After a part that does not fit, ok() is false.
class Writer {
 public:
  Writer(uint8_t* at, size_t capacity) : begin_(at), at_(at), end_(at + capacity) {}

  bool ok() const { return ok_; }
  size_t size() const { return static_cast<size_t>(at_ - begin_); }
  size_t left() const { return static_cast<size_t>(end_ - at_); }
  uint8_t* at() { return at_; }

  template <typename T>
  void number(T value) {
    bytes(&value, sizeof value);
  }
  void bytes(const void* from, size_t size) {
    if (!have(size)) return;
    memcpy(at_, from, size);
    at_ += size;
  }
  void text(const char* from, size_t size) {
    number(static_cast<uint16_t>(size));
    bytes(from, size);
    number(uint8_t{0});
  }
  void advance(size_t size) { at_ += size; }
  // What is to come has no room.
  void give_up() { ok_ = false; }
  // Forgets what came after the first `size` bytes.
  void cut(size_t size) {
    at_ = begin_ + size;
    ok_ = true;
  }

 private:
  bool have(size_t size) {
    if (ok_ && left() >= size) return true;
    ok_ = false;
    return false;
  }

  uint8_t* begin_;
  uint8_t* at_;
  uint8_t* end_;
  bool ok_ = true;
};

uint8_t type_of(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFDIR:
      return static_cast<uint8_t>(EntryType::kDirectory);
    case S_IFLNK:
      return static_cast<uint8_t>(EntryType::kSymlink);
    case S_IFCHR:
      return static_cast<uint8_t>(EntryType::kCharDevice);
    case S_IFBLK:
      return static_cast<uint8_t>(EntryType::kBlockDevice);
    case S_IFIFO:
      return static_cast<uint8_t>(EntryType::kFifo);
    case S_IFREG:
      return static_cast<uint8_t>(EntryType::kFile);
    default:
      return static_cast<uint8_t>(EntryType::kSocket);
  }
}

// Of the entry of this name in the current directory: there is no listxattrat before Linux 6.13.
Status put_attributes(const char* name, Writer* out) {
  static char names[kMaxNames];
  ssize_t size = llistxattr(name, names, sizeof names);
  if (size < 0 && errno != ENOTSUP) return failed("listxattr", name);
  uint8_t* count_at = out->at();
  uint16_t count = 0;
  out->number(count);
  for (ssize_t at = 0; at < size;) {
    const char* key = names + at;
    size_t length = strlen(key);
    at += static_cast<ssize_t>(length) + 1;
    uint8_t* start = out->at();
    out->text(key, length);
    uint8_t* size_at = out->at();
    out->number(uint32_t{0});
    if (!out->ok()) break;
    ssize_t got = lgetxattr(name, key, out->at(), out->left());
    if (got < 0 && errno == ERANGE) {
      out->give_up();
      break;
    }
    if (got < 0) {
      // Removed meanwhile, or one that only a more privileged process may see.
      if (errno != ENODATA && errno != EPERM && errno != ENOTSUP) return failed("getxattr", name);
      out->advance(static_cast<size_t>(start - out->at()));
      continue;
    }
    auto value = static_cast<uint32_t>(got);
    memcpy(size_at, &value, sizeof value);
    out->advance(value);
    count++;
  }
  if (out->ok()) memcpy(count_at, &count, sizeof count);
  return fine();
}

Status put_entry(int directory, const char* name, const struct stat& status, Writer* out) {
  bool device = S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode);
  out->number(type_of(status.st_mode));
  out->number(static_cast<uint32_t>(device ? major(status.st_rdev) : 0));
  out->number(static_cast<uint32_t>(device ? minor(status.st_rdev) : 0));
  out->number(static_cast<uint64_t>(status.st_dev));
  out->number(static_cast<uint64_t>(status.st_ino));
  out->number(static_cast<uint32_t>(status.st_nlink));
  out->number(static_cast<uint64_t>(S_ISREG(status.st_mode) ? status.st_size : 0));
  out->text(name, strlen(name));
  char target[kMaxTarget];
  ssize_t length = 0;
  if (S_ISLNK(status.st_mode)) {
    length = readlinkat(directory, name, target, sizeof target);
    if (length < 0) return failed("readlink", name);
  }
  out->text(target, static_cast<size_t>(length));
  out->number(static_cast<uint32_t>(status.st_mode & 07777));
  out->number(static_cast<uint32_t>(status.st_uid));
  out->number(static_cast<uint32_t>(status.st_gid));
  const struct timespec times[] = {status.st_atim, status.st_mtim};
  for (const struct timespec& time : times) {
    out->number(static_cast<int64_t>(time.tv_sec));
    out->number(static_cast<uint32_t>(time.tv_nsec));
  }
  return put_attributes(name, out);
}

// One name, tried again in an empty buffer when it does not fit behind the others.
Status add_entry(int directory, const char* name, Writer* out, const Pieces& pieces, const uint8_t* buffer) {
  struct stat status;
  if (fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) != 0)
    return errno == ENOENT ? fine() : failed("stat", name);
  size_t before = out->size();
  Status result = put_entry(directory, name, status, out);
  if (!result.ok()) {
    out->cut(before);
    return result.error == ENOENT ? fine() : result;
  }
  if (out->ok()) return fine();
  out->cut(before);
  if (before == 0) return failed_with(E2BIG, "getxattr", name);
  if (!pieces.put(buffer, static_cast<uint32_t>(before))) return failed_with(EPIPE, "write", name);
  out->cut(0);
  return add_entry(directory, name, out, pieces, buffer);
}

}  // namespace

Status list_directory(int tree, const char* path, uint8_t* buffer, size_t capacity, const Pieces& pieces) {
  UniqueFd fd(open_plain(tree, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  if (!fd.ok()) return failed("open", path);
  if (fchdir(fd.get()) != 0) return failed("fchdir", path);
  Writer out(buffer, capacity);
  // The directory itself comes first, as `.`.
  Status status = add_entry(fd.get(), ".", &out, pieces, buffer);
  DirectoryReader reader(fd.get());
  DirectoryEntry entry;
  while (status.ok() && reader.next(&entry)) status = add_entry(fd.get(), entry.name, &out, pieces, buffer);
  if (!status.ok()) {
    status.path = path;
    return status;
  }
  if (reader.error() != 0) return failed_with(reader.error(), "getdents64", path);
  if (out.size() > 0 && !pieces.put(buffer, static_cast<uint32_t>(out.size())))
    return failed_with(EPIPE, "write", path);
  return fine();
}

Status send_content(int tree, const char* path, uint8_t* buffer, size_t capacity, const Pieces& pieces) {
  UniqueFd file(open_plain(tree, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY));
  struct stat status;
  if (!file.ok() || fstat(file.get(), &status) != 0) return failed("open", path);
  if (!S_ISREG(status.st_mode)) return failed_with(EINVAL, "open", path);
  auto size = static_cast<uint64_t>(status.st_size);
  if (!pieces.put(&size, sizeof size)) return failed_with(EPIPE, "write", path);
  constexpr size_t kOffset = sizeof(uint64_t);
  for (uint64_t at = 0; at < size;) {
    // A file system without holes says that all is data.
    off_t data = lseek(file.get(), static_cast<off_t>(at), SEEK_DATA);
    if (data < 0 && errno == ENXIO) break;
    if (data >= 0) at = static_cast<uint64_t>(data);
    off_t hole = data < 0 ? -1 : lseek(file.get(), data, SEEK_HOLE);
    uint64_t end = hole < 0 || static_cast<uint64_t>(hole) > size ? size : static_cast<uint64_t>(hole);
    while (at < end) {
      uint64_t want = end - at < capacity - kOffset ? end - at : capacity - kOffset;
      ssize_t got = pread(file.get(), buffer + kOffset, want, static_cast<off_t>(at));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return failed("read", path);
      // It became shorter while it was read: the other side misses what is not there.
      if (got == 0) return failed_with(ESTALE, "read", path);
      memcpy(buffer, &at, kOffset);
      if (!pieces.put(buffer, static_cast<uint32_t>(kOffset + static_cast<size_t>(got))))
        return failed_with(EPIPE, "write", path);
      at += static_cast<uint64_t>(got);
    }
  }
  return fine();
}

}  // namespace vaina
