#pragma once

#include "../sys/status.h"

namespace vaina {

// Removes a file or a directory with all that is in it, by descriptors: follows no link, crosses no mount,
// and needs neither memory nor descriptors in proportion to the depth of the tree. Nothing there is fine. The
// status never points to a path.
Status remove_tree(int directory, const char* name);

}  // namespace vaina
