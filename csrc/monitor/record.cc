#include "record.h"

#include <stdio.h>
#include <sys/wait.h>

namespace vaina {
namespace {

uint64_t microseconds(const timeval& time) {
  return static_cast<uint64_t>(time.tv_sec) * 1000000u + static_cast<uint64_t>(time.tv_usec);
}

}  // namespace

size_t format_record(const Process& process, const CgroupUsage& usage, bool oom_killed,
                     char (&out)[kRecordSize]) {
  int status = process.wait_status;
  int signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  int exit_code = signal != 0 ? 128 + signal : WEXITSTATUS(status);
  uint64_t cpu_time = usage.cpu_time;
  if (cpu_time == 0) cpu_time = microseconds(process.usage.ru_utime) + microseconds(process.usage.ru_stime);
  uint64_t peak_memory = usage.peak_memory;
  if (peak_memory == 0) peak_memory = static_cast<uint64_t>(process.usage.ru_maxrss) * 1024;
  int length = snprintf(
      out, sizeof out,
      "{\"exitCode\":%d,\"signal\":%d,\"oomKilled\":%s,\"startedAt\":\"%llu\","
      "\"finishedAt\":\"%llu\",\"peakMemory\":%llu,\"cpuTime\":%llu}",
      exit_code, signal, oom_killed ? "true" : "false", static_cast<unsigned long long>(process.started_at),
      static_cast<unsigned long long>(process.finished_at), static_cast<unsigned long long>(peak_memory),
      static_cast<unsigned long long>(cpu_time));
  return length < 0 ? 0 : static_cast<size_t>(length);
}

}  // namespace vaina
