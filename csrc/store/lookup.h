#pragma once

#include <stddef.h>

#include "../sys/status.h"
#include "../sys/unique_fd.h"

namespace vaina {

// Opens a regular file of a stack of layers (the top one first) as an overlay of them would show it:
// whiteouts and opaque directories hide, links lead nowhere but into the stack. ENOENT when there is none.
Status open_in_layers(const int* layers, size_t count, const char* path, UniqueFd* out);

}  // namespace vaina
