#include "io.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

namespace vaina {

bool write_whole(int fd, const void* data, size_t size) {
  ssize_t written = retry([&] { return write(fd, data, size); });
  if (written < 0) return false;
  if (static_cast<size_t>(written) != size) {
    errno = EIO;
    return false;
  }
  return true;
}

ssize_t read_text(int fd, char* out, size_t size) {
  size_t got = 0;
  while (got < size - 1) {
    ssize_t n = retry([&] { return read(fd, out + got, size - 1 - got); });
    if (n < 0) return -1;
    if (n == 0) break;
    got += static_cast<size_t>(n);
  }
  out[got] = '\0';
  return static_cast<ssize_t>(got);
}

ssize_t read_text_at(int directory, const char* name, char* out, size_t size) {
  UniqueFd fd(openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  return fd.ok() ? read_text(fd.get(), out, size) : -1;
}

bool parse_number(const char* text, size_t size, uint64_t* out) {
  if (size == 0 || size > 19) return false;
  uint64_t value = 0;
  for (size_t i = 0; i < size; i++) {
    if (text[i] < '0' || text[i] > '9') return false;
    value = value * 10 + static_cast<uint64_t>(text[i] - '0');
  }
  *out = value;
  return true;
}

uint64_t number_after(const char* text, const char* key) {
  size_t length = strlen(key);
  while (*text != '\0') {
    if (strncmp(text, key, length) == 0 && text[length] == ' ') {
      const char* digits = text + length + 1;
      uint64_t value = 0;
      return parse_number(digits, strspn(digits, "0123456789"), &value) ? value : 0;
    }
    const char* end = strchr(text, '\n');
    if (end == nullptr) break;
    text = end + 1;
  }
  return 0;
}

size_t format_number(uint64_t value, char (&out)[24]) {
  char reversed[24];
  size_t n = 0;
  do {
    reversed[n++] = static_cast<char>('0' + value % 10);
    value /= 10;
  } while (value != 0);
  for (size_t i = 0; i < n; i++) out[i] = reversed[n - 1 - i];
  out[n] = '\0';
  return n;
}

size_t append(char* out, size_t size, size_t at, const char* text) {
  while (*text != '\0' && at + 1 < size) out[at++] = *text++;
  out[at] = '\0';
  return at;
}

void sleep_microseconds(uint64_t microseconds) {
  timespec time{static_cast<time_t>(microseconds / 1000000),
                static_cast<long>(microseconds % 1000000 * 1000)};
  nanosleep(&time, nullptr);
}

}  // namespace vaina
