#pragma once

#include <stdint.h>

#include "status.h"
#include "unique_fd.h"

namespace vaina {

// A new file system, not attached to anything: fsopen, the comma-separated options, fsmount. `source` may be
// empty.
Status new_mount(const char* type, const char* source, uint64_t attributes, const char* options,
                 UniqueFd* out);

// A detached copy of the mount (or the part of it below) that the path, or the descriptor, leads to.
UniqueFd clone_mount(const char* path, bool recursive);
UniqueFd clone_mount(int fd, bool recursive);

// Sets MOUNT_ATTR_* bits of a mount.
Status set_attributes(int mount, uint64_t attributes, bool recursive);

// Sets the propagation by its word: private, rprivate, slave, …
Status set_propagation(int mount, const char* word);

// Attaches a detached mount to what the target descriptor is.
Status attach(int mount, int target);

// The current errno, and what the kernel has written about it into the file system context.
Status blame_context(int fs, const char* what);

// Feeds comma-separated options to a file system context.
Status configure(int fs, const char* options);

// Mounts an overlay; lower is an array of `count` directories, the top one first. upper and work may be
// empty.
Status new_overlay(const char* const* lower, uint32_t count, const char* upper, const char* work,
                   const char* options, const char* attach_to, UniqueFd* out);

}  // namespace vaina
