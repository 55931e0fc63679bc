#include "output.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "../sys/io.h"
#include "../sys/process.h"
#include "pages.h"

namespace vaina {
namespace {

constexpr size_t kChunkSize = 64 * 1024;
// Before others get their turn.
constexpr int kRounds = 16;

// Of all outputs, since it is delivered or copied before anything else is read.
char chunk[kChunkSize];

}  // namespace

void Output::start(UniqueFd source, Stream stream, bool logged) {
  source_ = take(source);
  stream_ = stream;
  logged_ = logged;
  watch(&readable_, source_.get(), EPOLLIN, on_source, this);
}

bool Output::add_client(StdioFd fd, bool patient) {
  if (!fd.ok()) return true;
  for (Client& client : clients_) {
    if (client.fd.ok()) continue;
    client.output = this;
    client.fd = static_cast<StdioFd&&>(fd);
    client.patient = patient;
    // What is held was read before it came.
    client.taken = static_cast<uint32_t>(held_size_);
    client.stuck_since = 0;
    return true;
  }
  return false;
}

bool Output::has_client() const {
  for (const Client& client : clients_) {
    if (client.fd.ok()) return true;
  }
  return false;
}

void Output::drain(uint64_t deadline) {
  drain_until_ = deadline;
  if (source_.ok() && held_size_ == 0) pump();
}

void Output::limit_patience() {
  for (Client& client : clients_) client.patient = false;
  arm_timer();
}

void Output::abandon_clients() {
  hurry_ = true;
  for (Client& client : clients_) {
    if (behind(client)) drop(&client);
  }
  resume();
}

void Output::on_source(void* output, uint32_t) {
  static_cast<Output*>(output)->pump();
}

void Output::pump() {
  for (int round = 0; round < kRounds; round++) {
    ssize_t count = retry([&] { return read(source_.get(), chunk, sizeof chunk); });
    if (count < 0 && errno == EAGAIN) {
      release_memory();
      if (drain_until_ == 0) return;
      if (monotonic_nanoseconds() >= drain_until_) return end_source();
      return set_timer(&timer_, drain_until_, on_time, this);
    }
    // A terminal that nobody has open any more says EIO.
    if (count <= 0) return end_source();
    deliver(chunk, static_cast<size_t>(count));
    if (held_size_ > 0) return;
  }
}

void Output::deliver(const char* data, size_t size) {
  if (logged_) write_log(stream_, data, size);
  bool all = true;
  for (Client& client : clients_) {
    if (!client.fd.ok()) continue;
    client.taken = 0;
    offer(&client, data, size);
    if (client.fd.ok() && client.taken < size) {
      if (hurry_)
        drop(&client);
      else
        all = false;
    }
  }
  if (all) return;
  if (!hold(data, size)) {
    // No memory to wait with.
    for (Client& client : clients_) {
      if (client.fd.ok() && client.taken < size) drop(&client);
    }
    return;
  }
  unwatch(&readable_);
  for (Client& client : clients_) {
    if (behind(client)) watch(&client.writable, client.fd.get(), EPOLLOUT, on_writable, &client);
  }
  arm_timer();
}

void Output::offer(Client* client, const char* data, size_t size) {
  while (client->taken < size) {
    ssize_t count = client->fd.write(data + client->taken, size - client->taken);
    if (count < 0 && errno == EAGAIN) {
      if (client->stuck_since == 0) client->stuck_since = monotonic_nanoseconds();
      return;
    }
    if (count < 0) return drop(client);
    client->taken += static_cast<uint32_t>(count);
    client->stuck_since = 0;
  }
}

void Output::on_writable(void* context, uint32_t) {
  Client* client = static_cast<Client*>(context);
  Output* output = client->output;
  // Its patience counts from the last byte it took.
  client->stuck_since = 0;
  output->offer(client, output->held_, output->held_size_);
  if (output->behind(*client)) return;
  unwatch(&client->writable);
  output->resume();
}

void Output::on_time(void* context) {
  Output* output = static_cast<Output*>(context);
  if (output->held_size_ == 0) {
    if (output->source_.ok()) output->pump();
    return;
  }
  uint64_t now = monotonic_nanoseconds();
  for (Client& client : output->clients_) {
    if (output->behind(client) && !client.patient && now >= client.stuck_since + kPatience)
      output->drop(&client);
  }
  output->resume();
  output->arm_timer();
}

bool Output::hold(const char* data, size_t size) {
  if (held_ == nullptr) held_ = static_cast<char*>(map_pages(kChunkSize));
  if (held_ == nullptr) return false;
  memcpy(held_, data, size);
  held_size_ = size;
  return true;
}

// Goes on when nobody is behind.
void Output::resume() {
  if (held_size_ == 0) return;
  for (const Client& client : clients_) {
    if (behind(client)) return;
  }
  held_size_ = 0;
  if (!source_.ok()) return release_memory();
  watch(&readable_, source_.get(), EPOLLIN, on_source, this);
  pump();
}

void Output::drop(Client* client) {
  unwatch(&client->writable);
  client->fd = StdioFd();
}

void Output::end_source() {
  unwatch(&readable_);
  source_.reset();
}

void Output::release_memory() {
  if (held_size_ > 0) return;
  unmap_pages(held_, kChunkSize);
  held_ = nullptr;
}

void Output::arm_timer() {
  uint64_t first = 0;
  for (const Client& client : clients_) {
    if (!behind(client) || client.patient) continue;
    uint64_t at = client.stuck_since + kPatience;
    if (first == 0 || at < first) first = at;
  }
  if (first != 0) set_timer(&timer_, first, on_time, this);
}

Output::~Output() {
  unwatch(&readable_);
  clear_timer(&timer_);
  for (Client& client : clients_) unwatch(&client.writable);
  held_size_ = 0;
  release_memory();
}

}  // namespace vaina
