#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../sys/io.h"
#include "../sys/unique_fd.h"

namespace vaina {
namespace {

constexpr size_t kLongestPart = 8192;
constexpr size_t kBufferSize = 64 * 1024;
constexpr size_t kTagAt = 43;
constexpr size_t kPrefixSize = 45;
// With room for a year that no clock shows.
constexpr size_t kPrefixRoom = 128;

UniqueFd file;
const char* file_path = nullptr;
uint64_t file_limit = 0;
uint64_t file_size = 0;
// Touched only as far as it is filled.
char buffer[kBufferSize];
size_t filled = 0;

Status open_file() {
  file.reset(
      open(file_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600));
  struct stat info;
  if (!file.ok() || fstat(file.get(), &info) != 0) return failed("open log", file_path);
  if (!S_ISREG(info.st_mode)) return failed_with(EINVAL, "open log", file_path);
  file_size = static_cast<uint64_t>(info.st_size);
  return fine();
}

void rotate() {
  char old_path[PATH_MAX];
  int length = snprintf(old_path, sizeof old_path, "%s.1", file_path);
  if (length < 0 || static_cast<size_t>(length) >= sizeof old_path) return;
  if (rename(file_path, old_path) == 0) (void)open_file();
}

void flush() {
  size_t done = 0;
  while (done < filled) {
    ssize_t count = retry([&] { return write(file.get(), buffer + done, filled - done); });
    if (count <= 0) break;
    done += static_cast<size_t>(count);
  }
  // No torn line: what a full disk took only in part goes again.
  if (done < filled && done > 0 && ftruncate(file.get(), static_cast<off_t>(file_size)) == 0) done = 0;
  file_size += done;
  filled = 0;
}

// `2026-01-02T03:04:05.123456789+00:00 stdout F `
void format_prefix(char (&out)[kPrefixRoom], Stream stream) {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  tm utc;
  gmtime_r(&now.tv_sec, &utc);
  snprintf(out, sizeof out, "%04d-%02d-%02dT%02d:%02d:%02d.%09ld+00:00 %s F ", (utc.tm_year + 1900) % 10000,
           utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec, now.tv_nsec,
           stream == Stream::kOut ? "stdout" : "stderr");
}

}  // namespace

Status open_log(const char* path, uint64_t limit) {
  file_path = path;
  file_limit = limit;
  return open_file();
}

void write_log(Stream stream, const char* data, size_t size) {
  if (!file.ok()) return;
  char prefix[kPrefixRoom];
  format_prefix(prefix, stream);
  while (size > 0) {
    size_t longest = size < kLongestPart ? size : kLongestPart;
    const char* end = static_cast<const char*>(memchr(data, '\n', longest));
    size_t length = end != nullptr ? static_cast<size_t>(end - data) : longest;
    size_t whole = kPrefixSize + length + 1;
    if (filled + whole > kBufferSize) flush();
    if (file_limit != 0 && file_size + filled > 0 && file_size + filled + whole > file_limit) {
      flush();
      rotate();
      if (!file.ok()) return;
    }
    prefix[kTagAt] = end != nullptr ? 'F' : 'P';
    memcpy(buffer + filled, prefix, kPrefixSize);
    memcpy(buffer + filled + kPrefixSize, data, length);
    buffer[filled + whole - 1] = '\n';
    filled += whole;
    size_t taken = length + (end != nullptr ? 1 : 0);
    data += taken;
    size -= taken;
  }
  flush();
}

}  // namespace vaina
