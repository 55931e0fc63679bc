#pragma once

#include <stddef.h>

#include "../plan/host.h"
#include "process.h"

namespace vaina {

// The longest exit record, NUL included.
constexpr size_t kRecordSize = 384;

// Writes the exit record of an ended process as JSON (docs/plan.md); its length. The usage is that of the
// container's cgroups, zero where it is not known.
size_t format_record(const Process& process, const CgroupUsage& usage, bool oom_killed,
                     char (&out)[kRecordSize]);

}  // namespace vaina
