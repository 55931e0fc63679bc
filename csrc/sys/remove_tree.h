#pragma once

#include "status.h"

namespace vaina {

// Removes what the path is, with all that is below it: by descriptors, following no link, never into another
// mount (EXDEV), at any depth. A missing path is fine. It ends at the first thing that cannot be removed.
Status remove_tree(const char* path);

// The same for a name in an open directory.
Status remove_tree_at(int directory, const char* name);

}  // namespace vaina
