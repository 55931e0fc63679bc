#pragma once

namespace vaina {

// Serves the storage protocol (docs/storage.md) until `in` ends: unpacks layers, removes trees, counts,
// reads. Works with the ids of the caller's user namespace, below one directory that the first request names.
// The result is an exit code.
int serve_storage(int in, int out);

}  // namespace vaina
