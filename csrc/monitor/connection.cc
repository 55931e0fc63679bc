#include "connection.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "../plan/plan.h"
#include "../sys/io.h"
#include "loop.h"
#include "pages.h"

namespace vaina {
namespace {

constexpr uint32_t kMaxConnections = 128;
constexpr uint32_t kMaxWaits = 256;
constexpr int kRounds = 16;
// What most bodies fit into, the plan of an exec among them; for longer ones there is memory while they are
// received.
constexpr size_t kRoom = 4096;
constexpr size_t kMaxBody = Plan::kMaxSize + 1024;

struct OpenWait {
  uint32_t tag;
  uint32_t target;
  Wait what;
};

Connection* connections = nullptr;
uint32_t connection_count = 0;

}  // namespace

class Connection {
 public:
  UniqueFd fd;
  Watch readable;
  bool closed = false;
  Connection* next = nullptr;
  uint8_t header[kHeaderSize];
  size_t received = 0;  // of header and body
  uint8_t room[kRoom];
  uint8_t* larger = nullptr;  // in pages, of the size of the body
  Request request{};
  OpenWait waits[kMaxWaits];

  // Where the body is received; nullptr: there is no memory.
  uint8_t* body() {
    size_t size = body_size();
    if (size <= kRoom) return room;
    if (larger == nullptr) larger = static_cast<uint8_t*>(map_pages(size));
    return larger;
  }

  size_t body_size() const { return get_u32(header) - kHeaderSize; }

  void forget_request() {
    unmap_pages(larger, larger != nullptr ? body_size() : 0);
    larger = nullptr;
    for (UniqueFd& fd : request.fds) fd.reset();
    request.fd_count = 0;
    request.fds_lost = false;
    received = 0;
  }

  ~Connection() { forget_request(); }

  void shut() {
    if (closed) return;
    unwatch(&readable);
    fd.reset();
    closed = true;
    handle_closed(this);
  }

  // Tells all who wait for the target; `end`: nobody waits any longer.
  void announce(uint32_t target, Message type, const void* body, size_t size, bool end) {
    for (OpenWait& wait : waits) {
      if (closed) return;
      if (wait.what == Wait::kNothing || wait.target != target) continue;
      if (!end && wait.what != Wait::kStart) continue;
      OpenWait told = wait;
      if (end) wait.what = Wait::kNothing;
      if (told.what == Wait::kStop) {
        send_ok(this, told.tag);
      } else {
        send_message(this, type, told.tag, body, size);
      }
    }
  }
};

namespace {

// Bytes of the message that is being received, header included; 0: it is malformed.
size_t wanted(const Connection& connection) {
  if (connection.received < kHeaderSize) return kHeaderSize;
  size_t size = get_u32(connection.header);
  bool valid = size >= kHeaderSize && size <= kHeaderSize + kMaxBody && get_u16(connection.header + 6) == 0;
  return valid ? size : 0;
}

// Takes the descriptors of a received message. False when there are some where none may be.
bool take_descriptors(msghdr* message, bool allowed, Request* request) {
  bool valid = true;
  if (message->msg_flags & MSG_CTRUNC) request->fds_lost = true;
  for (cmsghdr* part = CMSG_FIRSTHDR(message); part != nullptr; part = CMSG_NXTHDR(message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; i++) {
      int fd;
      memcpy(&fd, CMSG_DATA(part) + i * sizeof fd, sizeof fd);
      UniqueFd owner(fd);
      if (!allowed) {
        valid = false;
      } else if (request->fd_count == kMaxRequestFds) {
        request->fds_lost = true;
      } else {
        request->fds[request->fd_count++] = take(owner);
      }
    }
  }
  return valid;
}

// One recvmsg, which never reaches into the next message, so that descriptors cannot be taken for another
// one's. False when there is nothing more for now.
bool receive(Connection* connection, size_t end) {
  bool header = connection->received < kHeaderSize;
  uint8_t* place = header ? connection->header : connection->body();
  if (place == nullptr) {
    connection->shut();
    return false;
  }
  iovec part{place + connection->received - (header ? 0 : kHeaderSize), end - connection->received};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxRequestFds)];
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t count =
      retry([&] { return recvmsg(connection->fd.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC); });
  if (count < 0 && errno == EAGAIN) return false;
  bool first = connection->received == 0;
  if (count <= 0 || !take_descriptors(&message, first, &connection->request)) {
    connection->shut();
    return false;
  }
  connection->received += static_cast<size_t>(count);
  return true;
}

void complete(Connection* connection, size_t size) {
  Request& request = connection->request;
  request.type = static_cast<Message>(get_u16(connection->header + 4));
  request.tag = get_u32(connection->header + 8);
  request.body = size > kHeaderSize ? connection->body() : nullptr;
  request.size = size - kHeaderSize;
  if (request.fds_lost) {
    send_error(connection, request.tag, EMFILE, "receive descriptors");
  } else {
    handle_request(connection, &request);
  }
  connection->forget_request();
}

void on_readable(void* context, uint32_t) {
  Connection* connection = static_cast<Connection*>(context);
  for (int round = 0; round < kRounds && !connection->closed; round++) {
    size_t end = wanted(*connection);
    if (end == 0) return connection->shut();
    if (connection->received < end) {
      if (!receive(connection, end)) return;
      end = wanted(*connection);
    }
    if (end != 0 && connection->received >= kHeaderSize && connection->received == end)
      complete(connection, end);
  }
}

}  // namespace

Connection* open_connection(UniqueFd fd) {
  if (connection_count == kMaxConnections) return nullptr;
  Connection* connection = new_in_pages<Connection>();
  if (connection == nullptr) return nullptr;
  connection->fd = take(fd);
  if (!watch(&connection->readable, connection->fd.get(), EPOLLIN | EPOLLRDHUP, on_readable, connection)) {
    delete_in_pages(connection);
    return nullptr;
  }
  connection->next = connections;
  connections = connection;
  connection_count++;
  return connection;
}

void send_message(Connection* connection, Message type, uint32_t tag, const void* body, size_t size) {
  if (connection->closed) return;
  uint8_t header[kHeaderSize];
  uint32_t fields[] = {static_cast<uint32_t>(kHeaderSize + size), static_cast<uint32_t>(type), tag};
  for (size_t i = 0; i < sizeof header; i++) header[i] = static_cast<uint8_t>(fields[i / 4] >> (8 * (i % 4)));
  iovec parts[] = {{header, sizeof header}, {const_cast<void*>(body), size}};
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = size > 0 ? 2 : 1;
  ssize_t sent = retry([&] { return sendmsg(connection->fd.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL); });
  if (sent != static_cast<ssize_t>(sizeof header + size)) connection->shut();
}

void send_ok(Connection* connection, uint32_t tag) {
  send_message(connection, Message::kOk, tag, nullptr, 0);
}

void send_error(Connection* connection, uint32_t tag, int error, const char* text) {
  Body body;
  body.u32(static_cast<uint32_t>(error));
  body.text(text);
  send_message(connection, Message::kError, tag, body.data(), body.size());
}

bool expect(Connection* connection, Wait what, uint32_t tag, uint32_t target) {
  for (OpenWait& wait : connection->waits) {
    if (wait.what != Wait::kNothing) continue;
    wait = {tag, target, what};
    return true;
  }
  return false;
}

void announce_start(uint32_t target, const Body& started) {
  for (Connection* connection = connections; connection != nullptr; connection = connection->next) {
    connection->announce(target, Message::kStarted, started.data(), started.size(), false);
  }
}

void announce_failure(uint32_t target, const Body& failure) {
  for (Connection* connection = connections; connection != nullptr; connection = connection->next) {
    connection->announce(target, Message::kFailed, failure.data(), failure.size(), true);
  }
}

void announce_end(uint32_t target, const Body& record) {
  for (Connection* connection = connections; connection != nullptr; connection = connection->next) {
    connection->announce(target, Message::kExited, record.data(), record.size(), true);
  }
}

void handle_waiting_requests() {
  for (Connection* connection = connections; connection != nullptr; connection = connection->next) {
    if (!connection->closed) on_readable(connection, EPOLLIN);
  }
}

void delete_closed_connections() {
  for (Connection** place = &connections; *place != nullptr;) {
    Connection* connection = *place;
    if (!connection->closed) {
      place = &connection->next;
      continue;
    }
    *place = connection->next;
    delete_in_pages(connection);
    connection_count--;
  }
}

}  // namespace vaina
