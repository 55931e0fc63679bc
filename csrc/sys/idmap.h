#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "status.h"

namespace vaina {

// One of the two id maps of a user namespace that is being made.
struct IdMap {
  const char* helper =
      nullptr;                // path of newuidmap or newgidmap; empty: write the file ourselves; null: no map
  const char* map = nullptr;  // lines of `inside outside count`
  uint32_t step = 0;
};

struct IdMaps {
  IdMap uid, gid;
  bool deny_setgroups = false;
  uint32_t setgroups_step = 0;
  bool any() const { return uid.map != nullptr || gid.map != nullptr; }
};

// Gives the user namespace of process `pid` its maps. On failure *failed_step is the step to blame.
Status write_id_maps(pid_t pid, const IdMaps& maps, uint32_t* failed_step);

}  // namespace vaina
