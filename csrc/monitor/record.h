#pragma once

#include <stddef.h>
#include <stdint.h>

#include "../plan/host.h"
#include "process.h"
#include "wire.h"

namespace vaina {

// How a process ended (docs/plan.md).
struct ExitRecord {
  uint32_t exit_code, signal;
  bool oom_killed;
  uint64_t started_at, finished_at;  // wall clock, ns
  uint64_t peak_memory;              // bytes
  uint64_t cpu_time;                 // us
};

// Of an ended process. The usage is that of the container's cgroups, zero where it is not known.
ExitRecord record_of(const Process& process, const CgroupUsage& usage, bool oom_killed);

// The longest record as text, NUL included.
constexpr size_t kRecordSize = 384;

// Writes it as JSON, as the file has it; its length.
size_t format_record(const ExitRecord& record, char (&out)[kRecordSize]);

// The body of the message that tells it.
Body record_body(const ExitRecord& record);

}  // namespace vaina
