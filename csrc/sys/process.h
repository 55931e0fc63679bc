#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "status.h"

namespace vaina {

uint64_t monotonic_nanoseconds();

// Starts a program of the host with an empty environment and /dev/null as descriptors 0 to 2, sharing our
// memory until it runs (no page table is copied). The pid, or -1 with errno.
pid_t start_program(const char* const* argv);

// Waits for a child; its wait status, or -1 with errno.
int wait_for(pid_t pid);

// Calls `run(argument)` in a new process that shares our memory and descriptors, on a stack of its own, while
// we wait until it has ended. `flags` are further clone(2) flags. The wait status, or -1 with errno.
int run_sharing(int (*run)(void*), void* argument, int flags);

// Every signal back to its default action, those that are ignored too.
void reset_signal_actions();

// Blocks all signals, or unblocks all.
void block_signals();
void unblock_signals();

void set_dumpable(bool dumpable);

}  // namespace vaina
