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

// A directory under a name that has no byte with a meaning to overlayfs or mount(2), and is short: that of a
// descriptor of it.
class ShortName {
 public:
  Status set(const char* path) {
    fd_ = UniqueFd(open(path, O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!fd_.ok()) return failed("open overlay directory", path);
    char number[24];
    format_number(static_cast<uint64_t>(fd_.get()), number);
    append(text_, sizeof text_, append(text_, sizeof text_, 0, "/proc/self/fd/"), number);
    return fine();
  }
  const char* text() const { return text_; }

 private:
  UniqueFd fd_;
  char text_[32] = {};
};

Status on(const Status& status, const char* path) {
  return Status{status.error, "mount", "overlay", path, status.note};
}

Status set_directory(int fs, const char* key, const char* path) {
  ShortName name;
  const char* text = path;
  if (strpbrk(path, "\\:,") != nullptr) {
    Status status = name.set(path);
    if (!status.ok()) return status;
    text = name.text();
  }
  return sys_fsconfig(fs, kFsconfigSetString, key, text, 0) == 0 ? fine()
                                                                 : on(blame_context(fs, "mount"), path);
}

// With mount(2) and all options in one string.
Status mount_by_string(const char* const* lower, uint32_t count, const char* upper, const char* work,
                       const char* options, const char* at) {
  char data[kMaxData];
  ShortName names[kMaxLower + 2];  // held open until the mount is there
  uint32_t used = 0;
  size_t end = append(data, sizeof data, 0, options);
  auto add = [&](const char* before, const char* path) {
    ShortName& name = names[used++];
    Status status = name.set(path);
    end = append(data, sizeof data, append(data, sizeof data, end, before), name.text());
    return status.ok() && end + 1 == sizeof data ? failed_with(E2BIG, "overlay options") : status;
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
  return mount("overlay", at, "overlay", 0, data) == 0 ? fine() : failed("mount", at, "overlay");
}

// With a file system context.
Status mount_by_context(const char* const* lower, uint32_t count, const char* upper, const char* work,
                        const char* options, const char* at, UniqueFd* out) {
  UniqueFd fs(sys_fsopen("overlay", kFsopenCloexec));
  if (!fs.ok()) return failed("open file system", nullptr, "overlay");
  if (sys_fsconfig(fs.get(), kFsconfigSetString, "source", "overlay", 0) != 0) {
    return on(blame_context(fs.get(), "mount"), at);
  }
  for (uint32_t i = 0; i < count; i++) {
    Status status = set_directory(fs.get(), "lowerdir+", lower[i]);
    if (!status.ok()) return status;
  }
  if (upper[0] != '\0') {
    Status status = set_directory(fs.get(), "upperdir", upper);
    if (status.ok()) status = set_directory(fs.get(), "workdir", work);
    if (!status.ok()) return status;
  }
  Status status = configure(fs.get(), options);
  if (!status.ok()) return on(status, at);
  if (sys_fsconfig(fs.get(), kFsconfigCreate, nullptr, nullptr, 0) != 0) {
    return on(blame_context(fs.get(), "mount"), at);
  }
  *out = UniqueFd(sys_fsmount(fs.get(), kFsmountCloexec, 0));
  return out->ok() ? fine() : failed("mount", at, "overlay");
}

}  // namespace

Status new_overlay(const char* const* lower, uint32_t count, const char* upper, const char* work,
                   const char* options, const char* attach_to, UniqueFd* out) {
  if (count == 0 || count > kMaxLower) return failed_with(EINVAL, "mount", attach_to, "overlay");
  UniqueFd target(open(attach_to, O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!target.ok()) return failed("open", attach_to);
  Status status = mount_by_context(lower, count, upper, work, options, attach_to, out);
  if (status.ok()) {
    status = attach(out->get(), target.get());
    return status.ok() ? status : on(status, attach_to);
  }
  // Kernels before 6.7 do not know `lowerdir+`, and say so now or when it is too late.
  if (status.error != EINVAL || !mount_by_string(lower, count, upper, work, options, attach_to).ok())
    return status;
  *out = UniqueFd(open(attach_to, O_PATH | O_DIRECTORY | O_CLOEXEC));
  return out->ok() ? fine() : failed("open", attach_to);
}

}  // namespace vaina
