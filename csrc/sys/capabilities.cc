#include "capabilities.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace vaina {
namespace {

constexpr int kHighest = 63;

uint32_t low(uint64_t mask) {
  return static_cast<uint32_t>(mask);
}
uint32_t high(uint64_t mask) {
  return static_cast<uint32_t>(mask >> 32);
}

}  // namespace

Status get_capabilities(Capabilities* out) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  if (syscall(SYS_capget, &header, data) != 0) return failed("capget");
  auto join = [](uint32_t lower, uint32_t upper) { return lower | static_cast<uint64_t>(upper) << 32; };
  out->effective = join(data[0].effective, data[1].effective);
  out->permitted = join(data[0].permitted, data[1].permitted);
  out->inheritable = join(data[0].inheritable, data[1].inheritable);
  return fine();
}

Status set_capabilities(const Capabilities& sets) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {
      {low(sets.effective), low(sets.permitted), low(sets.inheritable)},
      {high(sets.effective), high(sets.permitted), high(sets.inheritable)},
  };
  return syscall(SYS_capset, &header, data) == 0 ? fine() : failed("set capabilities");
}

Status set_ambient(uint64_t mask) {
  if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0)
    return failed("clear ambient capabilities");
  for (int capability = 0; capability <= kHighest; capability++) {
    if ((mask >> capability & 1) == 0) continue;
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) != 0) {
      return failed("raise ambient capability");
    }
  }
  return fine();
}

Status limit_bounding_set(uint64_t mask) {
  for (int capability = 0; capability <= kHighest; capability++) {
    if ((mask >> capability & 1) != 0 || prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0) continue;
    if (errno == EINVAL && capability > 0) return fine();  // past the last that the kernel knows
    return failed("drop bounding capability");
  }
  return fine();
}

}  // namespace vaina
