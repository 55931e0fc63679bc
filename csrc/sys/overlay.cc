#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>

#include "io.h"
#include "mount.h"
#include "syscalls.h"

namespace vaina {
namespace {

// How many lower directories the kernel takes (OVL_MAX_STACK).
constexpr uint32_t kMaxLower = 500;
// Options of mount(2) fit in one page.
constexpr size_t kMaxData = 4096;

// The text under which overlayfs gets a directory: the path itself, or, when it has bytes that overlayfs or
// mount(2) treat specially, a name for a descriptor of it.
class DirectoryName {
 public:
  Status set(const char* path, bool always_short) {
    if (!always_short && strpbrk(path, "\\:,") == nullptr) {
      text_ = path;
      return fine();
    }
    fd_ = UniqueFd(open(path, O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!fd_.ok()) return failed("open overlay directory", path);
    char number[24];
    format_number(static_cast<uint64_t>(fd_.get()), number);
    size_t at = append(short_, sizeof short_, 0, "/proc/self/fd/");
    append(short_, sizeof short_, at, number);
    text_ = short_;
    return fine();
  }
  const char* text() const { return text_; }

 private:
  UniqueFd fd_;
  char short_[40] = {};
  const char* text_ = "";
};

Status set_directory(int fs, const char* key, const char* path) {
  DirectoryName name;
  Status status = name.set(path, false);
  if (!status.ok()) return status;
  return sys_fsconfig(fs, kFsconfigSetString, key, name.text(), 0) == 0
             ? fine()
             : failed_with(errno, "overlay directory", path, key);
}

// With mount(2), for kernels before 6.7 that lack `lowerdir+`.
Status mount_by_string(const char* const* lower, uint32_t count, const char* upper, const char* work,
                       const char* options, const char* at) {
  char data[kMaxData];
  UniqueFd held[kMaxLower + 2];
  uint32_t used = 0;
  size_t end = append(data, sizeof data, 0, options);
  auto add = [&](const char* before, const char* path) {
    UniqueFd& fd = held[used++];
    fd = UniqueFd(open(path, O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!fd.ok()) return failed("open overlay directory", path);
    char number[24];
    format_number(static_cast<uint64_t>(fd.get()), number);
    end = append(data, sizeof data, end, before);
    end = append(data, sizeof data, end, "/proc/self/fd/");
    end = append(data, sizeof data, end, number);
    return end + 1 < sizeof data ? fine() : failed_with(E2BIG, "overlay options");
  };
  const char* comma = end > 0 ? "," : "";
  if (upper[0] != '\0') {
    end = append(data, sizeof data, end, comma);
    Status status = add("upperdir=", upper);
    if (status.ok()) status = add(",workdir=", work);
    if (!status.ok()) return status;
    comma = ",";
  }
  end = append(data, sizeof data, end, comma);
  for (uint32_t i = 0; i < count; i++) {
    Status status = add(i == 0 ? "lowerdir=" : ":", lower[i]);
    if (!status.ok()) return status;
  }
  return mount("overlay", at, "overlay", 0, data) == 0 ? fine() : failed("mount overlay", at);
}

}  // namespace

Status new_overlay(const char* const* lower, uint32_t count, const char* upper, const char* work,
                   const char* options, const char* attach_to, UniqueFd* out) {
  if (count == 0 || count > kMaxLower) return failed_with(EINVAL, "overlay directories");
  UniqueFd fs(sys_fsopen("overlay", kFsopenCloexec));
  if (!fs.ok()) return failed("open file system", nullptr, "overlay");
  if (sys_fsconfig(fs.get(), kFsconfigSetString, "source", "overlay", 0) != 0)
    return failed("overlay source");
  bool by_string = false;
  for (uint32_t i = 0; i < count; i++) {
    Status status = set_directory(fs.get(), "lowerdir+", lower[i]);
    if (status.ok()) continue;
    // Only the first says whether the key is known; it also says EINVAL of an unfit directory, as mount(2)
    // will.
    if (i == 0 && status.error == EINVAL) {
      by_string = true;
      break;
    }
    return status;
  }
  if (by_string) {
    Status status = mount_by_string(lower, count, upper, work, options, attach_to);
    if (!status.ok()) return status;
    *out = UniqueFd(open(attach_to, O_PATH | O_DIRECTORY | O_CLOEXEC));
    return out->ok() ? fine() : failed("open", attach_to);
  }
  if (upper[0] != '\0') {
    Status status = set_directory(fs.get(), "upperdir", upper);
    if (status.ok()) status = set_directory(fs.get(), "workdir", work);
    if (!status.ok()) return status;
  }
  Status status = configure(fs.get(), options);
  if (!status.ok()) return status;
  if (sys_fsconfig(fs.get(), kFsconfigCreate, nullptr, nullptr, 0) != 0) {
    return failed("mount", attach_to, "overlay");
  }
  *out = UniqueFd(sys_fsmount(fs.get(), kFsmountCloexec, 0));
  if (!out->ok()) return failed("mount", attach_to, "overlay");
  UniqueFd target(open(attach_to, O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!target.ok()) return failed("open", attach_to);
  return attach(out->get(), target.get());
}

}  // namespace vaina
