#pragma once

#include <stddef.h>
#include <stdint.h>

#include "../sys/status.h"

namespace vaina {

// The output of the container in the CRI line format, as conmon writes it for k8s-file: every piece is
// written when it comes; what does not end with a line feed, or is longer than 8 KiB, is a part (P) of a
// line.

// `path` stays the caller's. `limit`: bytes after which the file is moved to PATH.1; 0: never.
Status open_log(const char* path, uint64_t limit);

enum class Stream { kOut, kErr };

// Without a log it does nothing. A full disk loses lines, never the container.
void write_log(Stream stream, const char* data, size_t size);

}  // namespace vaina
