#pragma once

#include <stddef.h>
#include <stdint.h>

#include "../sys/unique_fd.h"
#include "wire.h"

namespace vaina {

class Connection;

constexpr uint32_t kMaxRequestFds = 3;

// A request as it came, with its descriptors.
struct Request {
  Message type;
  uint32_t tag;
  const uint8_t* body;
  size_t size;
  UniqueFd fds[kMaxRequestFds];
  uint32_t fd_count;
  bool fds_lost;  // our table was full, or there were too many
};

// What a client still waits for.
enum class Wait : uint8_t {
  kNothing,
  kStart,  // started or failed, then exited
  kEnd,    // exited
  kStop,   // ok, when it has ended
};

// Takes over a connected stream socket. nullptr when there are too many.
Connection* open_connection(UniqueFd fd);

// Sends now or never: a client whose socket is full has long stopped to read, and is closed.
void send_message(Connection* connection, Message type, uint32_t tag, const void* body, size_t size);
void send_ok(Connection* connection, uint32_t tag);
void send_error(Connection* connection, uint32_t tag, int error, const char* text);

// False when this connection has too many open requests.
bool expect(Connection* connection, Wait what, uint32_t tag, uint32_t target);

// Tells everybody who waits for this target. An end answers all that is open on it.
void announce_start(uint32_t target, const Body& started);
void announce_failure(uint32_t target, const Body& failure);
void announce_end(uint32_t target, const Body& record);

// Handles what has been sent and not been read yet.
void handle_waiting_requests();

// Deletes what was closed; outside of all handlers.
void delete_closed_connections();

// Written by others (requests.cc).
void handle_request(Connection* connection, Request* request);
void handle_closed(Connection* connection);

}  // namespace vaina
