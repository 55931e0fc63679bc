#include "loop.h"

#include <errno.h>
#include <unistd.h>

#include "../sys/process.h"

namespace vaina {
namespace {

constexpr int kBatch = 32;
constexpr uint64_t kMillisecond = 1000000;

int epoll = -1;
epoll_event batch[kBatch];
int batch_size = 0;
Timer* timers = nullptr;

// Milliseconds until the next timer, rounded up so that it has expired then; -1: none.
int next_timeout() {
  uint64_t first = 0;
  for (Timer* timer = timers; timer != nullptr; timer = timer->next) {
    if (timer->at != 0 && (first == 0 || timer->at < first)) first = timer->at;
  }
  if (first == 0) return -1;
  uint64_t now = monotonic_nanoseconds();
  if (first <= now) return 0;
  uint64_t left = (first - now + kMillisecond - 1) / kMillisecond;
  return left > 3600000 ? 3600000 : static_cast<int>(left);
}

void run_timers() {
  if (timers == nullptr) return;
  uint64_t now = monotonic_nanoseconds();
  for (Timer* timer = timers; timer != nullptr; timer = timer->next) {
    if (timer->at == 0 || timer->at > now) continue;
    timer->at = 0;
    timer->expired(timer->context);
  }
}

}  // namespace

Status open_loop() {
  epoll = epoll_create1(EPOLL_CLOEXEC);
  return epoll >= 0 ? fine() : failed("create epoll");
}

bool watch(Watch* watch, int fd, uint32_t events, void (*ready)(void*, uint32_t), void* context) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = watch;
  bool again = watch->active && watch->fd == fd;
  if (!again) unwatch(watch);
  if (epoll_ctl(epoll, again ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event) != 0) return false;
  watch->fd = fd;
  watch->ready = ready;
  watch->context = context;
  watch->active = true;
  return true;
}

void unwatch(Watch* watch) {
  if (!watch->active) return;
  epoll_ctl(epoll, EPOLL_CTL_DEL, watch->fd, nullptr);
  watch->active = false;
  for (int i = 0; i < batch_size; i++) {
    if (batch[i].data.ptr == watch) batch[i].data.ptr = nullptr;
  }
}

void set_timer(Timer* timer, uint64_t at, void (*expired)(void*), void* context) {
  timer->at = at;
  timer->expired = expired;
  timer->context = context;
  if (timer->known) return;
  timer->known = true;
  timer->next = timers;
  timers = timer;
}

void clear_timer(Timer* timer) {
  timer->at = 0;
  if (!timer->known) return;
  timer->known = false;
  for (Timer** place = &timers; *place != nullptr; place = &(*place)->next) {
    if (*place != timer) continue;
    *place = timer->next;
    return;
  }
}

void run_loop(void (*review)()) {
  for (;;) {
    batch_size = epoll_wait(epoll, batch, kBatch, next_timeout());
    // A broken epoll leaves nothing to supervise with; the container ends with us.
    if (batch_size < 0 && errno != EINTR) _exit(1);
    for (int i = 0; i < batch_size; i++) {
      Watch* found = static_cast<Watch*>(batch[i].data.ptr);
      if (found != nullptr) found->ready(found->context, batch[i].events);
    }
    batch_size = 0;
    run_timers();
    review();
  }
}

}  // namespace vaina
