#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "status.h"
#include "unique_fd.h"

namespace vaina {

// Calls again what a signal interrupted.
template <typename Call>
auto retry(Call call) -> decltype(call()) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

// One write(2) that must take everything, as files of the kernel want it; errno says why not.
bool write_whole(int fd, const void* data, size_t size);

// Reads at most size - 1 bytes and ends them with NUL. The number of bytes, or -1.
ssize_t read_text(int fd, char* out, size_t size);
ssize_t read_text_at(int directory, const char* name, char* out, size_t size);

// The whole text as a decimal number: digits only, at most 19.
bool parse_number(const char* text, size_t size, uint64_t* out);

// The number after `key ` at the start of a line; 0 when there is none.
uint64_t number_after(const char* text, const char* key);

// Writes a number in decimal with NUL, the number of digits.
size_t format_number(uint64_t value, char (&out)[24]);

// Copies as snprintf("%s") would, from `at` on; the place of the NUL.
size_t append(char* out, size_t size, size_t at, const char* text);

void sleep_microseconds(uint64_t microseconds);

}  // namespace vaina
