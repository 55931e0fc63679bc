#include "plan_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

namespace vaina {

Status PlanFile::open(UniqueFd fd, uint32_t* failed_index) {
  *failed_index = kNoStep;
  constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
  int seals = fcntl(fd.get(), F_GET_SEALS);
  if (seals < 0 || (seals & kSeals) != kSeals) return failed_with(EPERM, "read plan: it is not sealed");
  struct stat info;
  if (fstat(fd.get(), &info) != 0) return failed("read plan");
  if (info.st_size <= 0 || static_cast<size_t>(info.st_size) > Plan::kMaxSize)
    return failed_with(EFBIG, "read plan");
  size_ = static_cast<size_t>(info.st_size);
  void* bytes = mmap(nullptr, size_, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd.get(), 0);
  if (bytes == MAP_FAILED) return failed("read plan");
  bytes_ = bytes;
  return Plan::decode(static_cast<const uint8_t*>(bytes_), size_, &plan_, failed_index);
}

PlanFile::~PlanFile() {
  if (bytes_ != nullptr) munmap(bytes_, size_);
}

}  // namespace vaina
