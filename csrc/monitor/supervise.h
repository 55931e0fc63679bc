#pragma once

#include <stdint.h>

#include "../sys/unique_fd.h"
#include "process.h"

namespace vaina {

// Runs the plan in `plan` with the descriptors 0 to 2 and a client on `control`, to its end. `main_at`:
// CLOCK_MONOTONIC when the plan was there.
[[noreturn]] void supervise(UniqueFd plan, UniqueFd control, uint64_t main_at);

// The container (0) or an exec session that has not ended; else nullptr.
Process* find_process(uint32_t target);

// Starts an exec with a plan, which need not outlive the call, and three descriptors. The session, or nullptr
// with a failure to send.
Process* start_exec(const uint8_t* plan, size_t size, UniqueFd (&stdio)[3], bool terminal, uint16_t rows,
                    uint16_t columns, Body* failure);

// Sends the signal, and SIGKILL when the container has not ended after this time. 0: what the plan says for
// the signal, all ones for the time.
int stop_container(uint32_t signal, uint32_t milliseconds);

}  // namespace vaina
