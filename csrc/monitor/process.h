#pragma once

#include <stdint.h>
#include <sys/resource.h>

#include "../plan/spawn.h"
#include "input.h"
#include "output.h"
#include "policy.h"
#include "wire.h"

namespace vaina {

// CLOCK_MONOTONIC in ns.
struct Timings {
  uint64_t main = 0, host = 0, clone = 0, exec = 0;
};

// One process that runs, or has run, a plan: the container's, or that of an exec.
class Process {
 public:
  enum class State : uint8_t {
    kStarting,  // runs its steps
    kRunning,   // runs the program
    kFailed,    // a step failed; it is about to end
    kEnded,     // was waited for
  };

  // Takes the descriptors; those that are left to the process are closed here. On failure there is no
  // process.
  Status start(const Plan& plan, HostState* host, const StdioPolicy& policy, UniqueFd (&stdio)[3],
               int container_pidfd, uint32_t* failed_index);

  // 0 or an errno.
  int signal(int number);
  int resize(uint16_t rows, uint16_t columns);
  // Another client: nothing, or one descriptor, for each of the three. 0 or an errno.
  int attach(UniqueFd (&stdio)[3]);

  // Nobody's reading is waited for any more than Output::kPatience, or not at all.
  void limit_patience();
  void hurry();

  // It has ended and all output was delivered.
  bool finished() const;

  uint32_t target = 0;
  Process* next = nullptr;
  State state = State::kStarting;
  bool failed_to_start = false;
  bool brief = false;  // nobody needs to hear of its start before its end, unless that takes a while
  bool announced = false;
  Timer start_timer;
  SpawnFailure failure{};
  pid_t pid = -1;
  Timings timings;
  uint64_t started_at = 0, finished_at = 0;  // wall clock, ns
  int wait_status = 0;
  rusage usage{};

  int pidfd() const { return pidfd_.get(); }

  ~Process();

 private:
  static void on_report(void* process, uint32_t events);
  static void on_end(void* process, uint32_t events);

  Status open_pipes(const StdioPolicy& policy, bool has_stdin, UniqueFd (&ours)[3], UniqueFd (&theirs)[3]);
  void connect_pipes(const StdioPolicy& policy, UniqueFd (&ours)[3], UniqueFd terminal);
  void read_report();
  void begin();

  UniqueFd pidfd_, report_;
  UniqueFd master_, slave_;  // of a terminal
  Watch end_watch_, report_watch_;
  bool piped_ = false;
  bool hurry_ = false;
  Input input_;
  Output outputs_[2];
};

// Called when a process changes state (supervise.cc).
void handle_started(Process* process);
void handle_ended(Process* process);

uint64_t wall_clock_nanoseconds();

}  // namespace vaina
