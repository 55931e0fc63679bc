#pragma once

namespace vaina {

// execve(2) with the search of execvp(3), but in `path` (null: the default), and without a shell for what is
// no program. Returns only when it fails: the errno. Not found is ENOENT only if nothing on the way was
// forbidden.
int execute(const char* const* argv, const char* const* environment, const char* path);

}  // namespace vaina
