#pragma once

#include <errno.h>
#include <stddef.h>

namespace vaina {

// What went wrong, or nothing. Small and trivially copyable: the pointers are to text that lives as long as
// the program, or to strings of the plan, which outlives every step.
struct [[nodiscard]] Status {
  int error = 0;                  // an errno, 0 when all is well
  const char* what = "";          // "mount", "open", …
  const char* subject = nullptr;  // "proc": then the text reads "mount proc on /proc: …"
  const char* path = nullptr;
  const char* note = nullptr;  // more that the kernel said, or null

  bool ok() const { return error == 0; }
};

inline Status fine() {
  return Status{};
}

// The current errno, with words.
inline Status failed(const char* what, const char* path = nullptr, const char* subject = nullptr) {
  return Status{errno != 0 ? errno : EIO, what, subject, path, nullptr};
}

inline Status failed_with(int error, const char* what, const char* path = nullptr,
                          const char* subject = nullptr) {
  return Status{error, what, subject, path, nullptr};
}

// Writes one line without a line feed, such as `mount proc on /proc: Operation not permitted`; cut to fit.
void describe(const Status& status, char* out, size_t size);

}  // namespace vaina
