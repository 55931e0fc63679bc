#pragma once

#include <stdint.h>

#include "../sys/status.h"

namespace vaina {

struct Usage {
  uint64_t size = 0;    // bytes of content, as files say
  uint64_t blocks = 0;  // bytes on disk
  uint64_t files = 0;   // names, directories and the top included
  uint64_t mark = 0;  // differs between trees that differ in a name, type, mode, owner, size, time or device
};

// Counts a tree, without following links and without crossing mounts. Of a file with n names each name counts
// as a nth part, so that no memory of what was seen is needed.
Status count_usage(int directory, const char* name, Usage* usage);

}  // namespace vaina
