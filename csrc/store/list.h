#pragma once

#include <stddef.h>
#include <stdint.h>

#include "../sys/status.h"
#include "protocol.h"

namespace vaina {

// Where the pieces of an answer go.
struct Pieces {
  int fd;
  Request request;
  uint32_t tag;

  // False when nobody reads them any more.
  bool put(const void* body, uint32_t size) const { return reply_piece(fd, request, tag, body, size); }
};

// Hands out what is in a directory of a tree, in no order, as docs/storage.md has it: of each name all that a
// layer can say. No link is followed, and what is mounted is not entered. `buffer` holds what is gathered.
Status list_directory(int tree, const char* path, uint8_t* buffer, size_t capacity, const Pieces& pieces);

// Hands out a regular file of a tree: its size first, then its content without its holes.
Status send_content(int tree, const char* path, uint8_t* buffer, size_t capacity, const Pieces& pieces);

}  // namespace vaina
