#include "record.h"

#include <stdio.h>
#include <sys/wait.h>

namespace vaina {
namespace {

uint64_t microseconds(const timeval& time) {
  return static_cast<uint64_t>(time.tv_sec) * 1000000u + static_cast<uint64_t>(time.tv_usec);
}

}  // namespace

ExitRecord record_of(const Process& process, const CgroupUsage& usage, bool oom_killed) {
  int status = process.wait_status;
  uint32_t signal = WIFSIGNALED(status) ? static_cast<uint32_t>(WTERMSIG(status)) : 0;
  ExitRecord record{};
  record.exit_code = signal != 0 ? 128 + signal : static_cast<uint32_t>(WEXITSTATUS(status));
  record.signal = signal;
  record.oom_killed = oom_killed;
  record.started_at = process.started_at;
  record.finished_at = process.finished_at;
  record.peak_memory = usage.peak_memory;
  if (record.peak_memory == 0) record.peak_memory = static_cast<uint64_t>(process.usage.ru_maxrss) * 1024;
  record.cpu_time = usage.cpu_time;
  if (record.cpu_time == 0)
    record.cpu_time = microseconds(process.usage.ru_utime) + microseconds(process.usage.ru_stime);
  return record;
}

size_t format_record(const ExitRecord& record, char (&out)[kRecordSize]) {
  int length = snprintf(
      out, sizeof out,
      "{\"exitCode\":%u,\"signal\":%u,\"oomKilled\":%s,\"startedAt\":\"%llu\","
      "\"finishedAt\":\"%llu\",\"peakMemory\":%llu,\"cpuTime\":%llu}",
      record.exit_code, record.signal, record.oom_killed ? "true" : "false",
      static_cast<unsigned long long>(record.started_at), static_cast<unsigned long long>(record.finished_at),
      static_cast<unsigned long long>(record.peak_memory), static_cast<unsigned long long>(record.cpu_time));
  return length < 0 ? 0 : static_cast<size_t>(length);
}

Body record_body(const ExitRecord& record) {
  Body body;
  body.u32(record.exit_code);
  body.u32(record.signal);
  body.u32(record.oom_killed ? 1 : 0);
  body.u64(record.started_at);
  body.u64(record.finished_at);
  body.u64(record.peak_memory);
  body.u64(record.cpu_time);
  return body;
}

}  // namespace vaina
