#pragma once

#include <stdint.h>

#include "status.h"

namespace vaina {

// Sets of capabilities: masks by capability number.
struct Capabilities {
  uint64_t effective = 0, permitted = 0, inheritable = 0;
};

Status get_capabilities(Capabilities* out);
Status set_capabilities(const Capabilities& sets);

// Makes exactly these ambient; they have to be permitted and inheritable.
Status set_ambient(uint64_t mask);

// Drops all others from the bounding set.
Status limit_bounding_set(uint64_t mask);

}  // namespace vaina
