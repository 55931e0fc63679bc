#include "status.h"

#include <string.h>

#include "io.h"

namespace vaina {

void describe(const Status& status, char* out, size_t size) {
  size_t at = append(out, size, 0, status.what);
  if (status.subject != nullptr) {
    at = append(out, size, at, " ");
    at = append(out, size, at, status.subject);
    if (status.path != nullptr) at = append(out, size, at, " on");
  }
  if (status.path != nullptr) {
    at = append(out, size, at, " ");
    at = append(out, size, at, status.path);
  }
  at = append(out, size, at, ": ");
  at = append(out, size, at, strerror(status.error));
  if (status.note == nullptr || status.note[0] == '\0') return;
  at = append(out, size, at, " (");
  at = append(out, size, at, status.note);
  append(out, size, at, ")");
}

}  // namespace vaina
