#include "input.h"

#include <errno.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "../sys/io.h"
#include "pages.h"

namespace vaina {
namespace {

constexpr size_t kChunkSize = 16 * 1024;
constexpr int kRounds = 16;

char chunk[kChunkSize];

}  // namespace

void Input::start(UniqueFd sink, bool terminal, bool keep_open) {
  sink_ = take(sink);
  terminal_ = terminal;
  keep_open_ = keep_open;
  // No events: the end of a pipe's reader is reported all the same, so that its clients learn of it at once.
  if (!terminal_) watch(&sink_watch_, sink_.get(), 0, on_sink, this);
}

bool Input::add_source(StdioFd fd) {
  if (!sink_.ok()) return false;
  for (Source& source : sources_) {
    if (source.fd.ok()) continue;
    source.input = this;
    source.fd = static_cast<StdioFd&&>(fd);
    source.always_ready = !watch(&source.readable, source.fd.get(), EPOLLIN, on_source, &source);
    if (held_size_ > 0)
      unwatch(&source.readable);
    else if (source.always_ready)
      pump(&source);
    return true;
  }
  return false;
}

void Input::stop() {
  for (Source& source : sources_) {
    unwatch(&source.readable);
    source.fd = StdioFd();
  }
  unwatch(&sink_watch_);
  clear_timer(&turn_);
  sink_.reset();
  unmap_pages(held_, kChunkSize);
  held_ = nullptr;
  held_size_ = held_at_ = 0;
}

void Input::on_source(void* context, uint32_t) {
  Source* source = static_cast<Source*>(context);
  source->input->pump(source);
}

void Input::pump(Source* source) {
  for (int round = 0; round < kRounds; round++) {
    ssize_t count = source->fd.read(chunk, sizeof chunk);
    if (count < 0 && errno == EAGAIN) return;
    if (count <= 0) return end_source(source);
    if (!deliver(chunk, static_cast<size_t>(count))) return;
  }
  // Nothing else would tell that a file has more; a time that has passed is the next turn.
  if (source->always_ready) set_timer(&turn_, 1, on_turn, this);
}

void Input::on_turn(void* context) {
  Input* input = static_cast<Input*>(context);
  for (Source& source : input->sources_) {
    if (source.fd.ok() && source.always_ready && input->held_size_ == 0) input->pump(&source);
  }
}

bool Input::deliver(const char* data, size_t size) {
  size_t done = 0;
  while (done < size) {
    ssize_t count = retry([&] { return write(sink_.get(), data + done, size - done); });
    if (count < 0 && errno == EAGAIN) break;
    if (count < 0) {
      stop();
      return false;
    }
    done += static_cast<size_t>(count);
  }
  if (done == size) return true;
  held_ = static_cast<char*>(map_pages(kChunkSize));
  if (held_ == nullptr) {
    stop();
    return false;
  }
  memcpy(held_, data + done, size - done);
  held_size_ = size - done;
  held_at_ = 0;
  pause();
  return false;
}

void Input::on_sink(void* context, uint32_t events) {
  Input* input = static_cast<Input*>(context);
  if (events & (EPOLLERR | EPOLLHUP)) return input->stop();
  if (input->held_size_ > 0) input->flush();
}

void Input::flush() {
  while (held_at_ < held_size_) {
    ssize_t count = retry([&] { return write(sink_.get(), held_ + held_at_, held_size_ - held_at_); });
    if (count < 0 && errno == EAGAIN) return;
    if (count < 0) return stop();
    held_at_ += static_cast<size_t>(count);
  }
  unmap_pages(held_, kChunkSize);
  held_ = nullptr;
  held_size_ = held_at_ = 0;
  resume();
}

void Input::pause() {
  for (Source& source : sources_) unwatch(&source.readable);
  watch(&sink_watch_, sink_.get(), EPOLLOUT, on_sink, this);
}

void Input::resume() {
  if (terminal_)
    unwatch(&sink_watch_);
  else
    watch(&sink_watch_, sink_.get(), 0, on_sink, this);
  bool any = false;
  for (Source& source : sources_) {
    if (!source.fd.ok()) continue;
    any = true;
    if (!source.always_ready) watch(&source.readable, source.fd.get(), EPOLLIN, on_source, &source);
  }
  set_timer(&turn_, 1, on_turn, this);
  if (!any) end_of_file();
}

void Input::end_source(Source* source) {
  unwatch(&source->readable);
  source->fd = StdioFd();
  for (const Source& other : sources_) {
    if (other.fd.ok()) return;
  }
  end_of_file();
}

void Input::end_of_file() {
  if (keep_open_ || held_size_ > 0 || !sink_.ok()) return;
  if (!terminal_) return stop();
  // A terminal has no end of file but the character that its line discipline takes for one, and only in line
  // mode.
  termios modes;
  if (tcgetattr(sink_.get(), &modes) == 0 && (modes.c_lflag & ICANON) && modes.c_cc[VEOF] != 0) {
    (void)deliver(reinterpret_cast<const char*>(&modes.c_cc[VEOF]), 1);
  }
}

}  // namespace vaina
