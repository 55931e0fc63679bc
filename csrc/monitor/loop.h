#pragma once

#include <stdint.h>
#include <sys/epoll.h>

#include "../sys/status.h"

namespace vaina {

// A descriptor that the loop looks at. It does not own the descriptor.
struct Watch {
  int fd = -1;
  void (*ready)(void* context, uint32_t events) = nullptr;
  void* context = nullptr;
  bool active = false;
};

// Something to do later. A timer that is set twice runs once, at the later setting.
struct Timer {
  uint64_t at = 0;  // CLOCK_MONOTONIC, ns; 0: not set
  void (*expired)(void* context) = nullptr;
  void* context = nullptr;
  Timer* next = nullptr;
  bool known = false;
};

Status open_loop();

// Calls `ready` whenever one of the events (EPOLLIN …) is there. False with errno; EPERM: the descriptor is
// of a kind that is always ready, such as a file.
bool watch(Watch* watch, int fd, uint32_t events, void (*ready)(void*, uint32_t), void* context);
// Idempotent. After it `ready` is not called any more, not even for what has been seen already.
void unwatch(Watch* watch);

void set_timer(Timer* timer, uint64_t at, void (*expired)(void*), void* context);
void clear_timer(Timer* timer);

// Waits, calls, and waits again, for ever. `review` runs after each round: objects are deleted there and
// nowhere else, so that nothing vanishes below a caller.
[[noreturn]] void run_loop(void (*review)());

}  // namespace vaina
