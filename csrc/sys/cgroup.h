#pragma once

#include <stdint.h>

#include "status.h"
#include "unique_fd.h"

namespace vaina {

// A cgroup that processes are put into.
struct CgroupMembership {
  UniqueFd directory;
  // v1: a file to which a process with one thread writes "0" to move itself into the cgroup; the rights that
  // count are those of whoever opened it.
  UniqueFd entry;
  bool v2 = false;
  uint32_t step = 0;  // index of the `cgroup-enter`
};

struct CgroupUsage {
  uint64_t oom_kills = 0;
  uint64_t peak_memory = 0;  // bytes
  uint64_t cpu_time = 0;     // µs
};

// Whether the descriptor is on a cgroup file system; *v2 tells which kind.
bool is_cgroup(int fd, bool* v2);

// Makes the directory and its missing parents; EXDEV (and nothing made) when it is not on a cgroup file
// system.
Status make_cgroup(const char* path);

// Makes the v2 directory and its missing parents, and moves the calling process there.
Status move_to_cgroup(const char* path);

// Writes to files of cgroups. The file stays open for the next write: device rules come ten in a row, each of
// which has to be a write(2) of its own.
class CgroupFile {
 public:
  // The path must outlive the next write.
  Status write(const char* path, const char* value, uint32_t size);

 private:
  Status open_at(const char* path);

  const char* path_ = nullptr;
  UniqueFd fd_;
};

// If `file` in the directory is empty, copies the parent's (cgroup v1 cpuset).
Status inherit_cgroup_file(const char* directory, const char* file);

// Loads the BPF_PROG_TYPE_CGROUP_DEVICE program (an array of struct bpf_insn) and attaches it.
Status attach_device_filter(const char* directory, const void* program, uint32_t size);

Status open_cgroup(const char* directory, CgroupMembership* out);

// Adds what this cgroup knows to *usage.
void add_cgroup_usage(const CgroupMembership& membership, CgroupUsage* usage);

// Kills what is left in the cgroup and its children and removes them. A missing one is fine.
Status remove_cgroup(const char* directory);

}  // namespace vaina
