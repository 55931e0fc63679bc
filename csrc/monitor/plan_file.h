#pragma once

#include "../plan/plan.h"
#include "../sys/unique_fd.h"

namespace vaina {

// A plan in a sealed memfd, mapped.
class PlanFile {
 public:
  // Refuses a descriptor whose bytes could change after they were checked.
  Status open(UniqueFd fd, uint32_t* failed_index);
  const Plan& plan() const { return plan_; }

  PlanFile() = default;
  PlanFile(const PlanFile&) = delete;
  PlanFile& operator=(const PlanFile&) = delete;
  ~PlanFile();

 private:
  void* bytes_ = nullptr;
  size_t size_ = 0;
  Plan plan_;
};

}  // namespace vaina
