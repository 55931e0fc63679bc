#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

namespace vaina {

// openat2(2), tried again when the kernel asks for that. The result is always close-on-exec.
int open_beneath(int directory, const char* path, int flags, uint64_t resolve, mode_t mode = 0);

// Resolves as if `root` were `/`: links are followed, none leads out.
int open_in_root(int root, const char* path, int flags);

// A path of the store itself: no link at all may be on it.
int open_plain(int root, const char* path, int flags);

// Whether it is a relative path of plain components: not empty, no `.`, `..`, `//`, no slash at either end.
bool is_plain_path(const char* path);

// The last component of a plain path; *parent_size is the length of what is before its slash.
const char* last_component(const char* path, size_t* parent_size);

}  // namespace vaina
