#pragma once

#include <stdint.h>

#include "status.h"
#include "unique_fd.h"

namespace vaina {

// Opens a new terminal of the devpts instance that `ptmx` belongs to. `ptmx` is an open descriptor of its
// multiplexer, which is checked to be one, and becomes the master; the other end comes from TIOCGPTPEER,
// never from a path.
Status open_terminal(int ptmx, uint16_t rows, uint16_t columns, UniqueFd* slave);

// Makes the terminal the controlling one of this session leader, and descriptors 0 to 2.
Status take_terminal(int slave);

// Passes one descriptor over a socket, with one byte. receive_descriptor yields none at end of file.
Status send_descriptor(int socket, int fd);
UniqueFd receive_descriptor(int socket);

}  // namespace vaina
