#pragma once

#include <stddef.h>
#include <stdint.h>

#include "log.h"
#include "loop.h"
#include "stdio_fd.h"

namespace vaina {

// One output of a process: from its pipe or terminal into the log and to every client. No client loses a
// byte: while one has not taken what was read, nothing more is read, as if the process wrote to that client's
// pipe itself. An attached client that takes nothing for kPatience is cut off, so that it cannot stop a
// container for ever.
class Output {
 public:
  static constexpr uint64_t kPatience = 10ull * 1000000000;

  void start(UniqueFd source, Stream stream, bool logged);
  // False when there are too many. A patient client is never cut off.
  bool add_client(StdioFd fd, bool patient);

  // The process has ended: what is there is still read, until the end of file, or until `deadline`
  // (CLOCK_MONOTONIC, ns) when others keep the other end open.
  void drain(uint64_t deadline);
  // No client is patient any more.
  void limit_patience();
  // No client is waited for any more: each gets what it takes at once.
  void abandon_clients();

  // Everything was read, logged and delivered.
  bool finished() const { return !source_.ok() && held_size_ == 0; }
  bool has_client() const;

  ~Output();

 private:
  static constexpr uint32_t kMaxClients = 8;

  struct Client {
    Output* output = nullptr;
    StdioFd fd;
    Watch writable;
    uint32_t taken = 0;        // of what is held
    uint64_t stuck_since = 0;  // 0: it is not
    bool patient = false;
  };

  static void on_source(void* output, uint32_t events);
  static void on_writable(void* client, uint32_t events);
  static void on_time(void* output);

  void pump();
  void deliver(const char* data, size_t size);
  void offer(Client* client, const char* data, size_t size);
  bool hold(const char* data, size_t size);
  void resume();
  void drop(Client* client);
  void end_source();
  void release_memory();
  void arm_timer();
  bool behind(const Client& client) const { return client.fd.ok() && client.taken < held_size_; }

  UniqueFd source_;
  Watch readable_;
  Timer timer_;
  Stream stream_ = Stream::kOut;
  bool logged_ = false;
  bool hurry_ = false;
  uint64_t drain_until_ = 0;  // 0: the process runs
  char* held_ = nullptr;
  size_t held_size_ = 0;
  Client clients_[kMaxClients];
};

}  // namespace vaina
