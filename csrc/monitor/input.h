#pragma once

#include <stddef.h>
#include <stdint.h>

#include "loop.h"
#include "stdio_fd.h"

namespace vaina {

// The standard input of a process: from any number of clients into its pipe or terminal. Nothing is read
// while the process does not take what was read before.
class Input {
 public:
  // The sink is non-blocking. keep_open: the process sees no end of file when its last client is gone.
  void start(UniqueFd sink, bool terminal, bool keep_open);
  // False when there are too many, or the process takes no input any more.
  bool add_source(StdioFd fd);
  void stop();

  ~Input() { stop(); }

 private:
  static constexpr uint32_t kMaxSources = 8;

  struct Source {
    Input* input = nullptr;
    StdioFd fd;
    Watch readable;
    bool always_ready = false;
  };

  static void on_source(void* source, uint32_t events);
  static void on_sink(void* input, uint32_t events);
  static void on_turn(void* input);

  void pump(Source* source);
  // False when the sink takes no more for now, or is gone.
  bool deliver(const char* data, size_t size);
  void flush();
  void pause();
  void resume();
  void end_source(Source* source);
  void end_of_file();

  UniqueFd sink_;
  Watch sink_watch_;
  Timer turn_;
  bool terminal_ = false;
  bool keep_open_ = false;
  char* held_ = nullptr;
  size_t held_size_ = 0;
  size_t held_at_ = 0;
  Source sources_[kMaxSources];
};

}  // namespace vaina
