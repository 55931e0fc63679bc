#pragma once

#include <stdint.h>

#include "../sys/status.h"
#include "../sys/unique_fd.h"
#include "plan.h"

namespace vaina {

// What the steps of the inside phase share. It lives in the new process only.
struct Inside {
  const Plan* plan = nullptr;
  int report = -1;      // SpawnFailure goes here
  int channel = -1;     // the terminal's master goes here
  bool joined = false;  // an exec: the root is there already

  bool terminal = false;
  uint16_t rows = 0, columns = 0;
  bool own_terminal = false;  // descriptors 0 to 2 are a terminal of the container

  UniqueFd root;         // the container's root; empty until there is one
  bool pivoted = false;  // it is `/`
  UniqueFd proc;         // the procfs of a `mount` step
  UniqueFd proc_sys;     // its directory sys, whatever is mounted there later
  UniqueFd devpts;       // the devpts of a `mount` step
  UniqueFd null_mount;   // a detached mount of the host's /dev/null, until it is the first mask of a file
  UniqueFd null;         // the first mask of a file, which the others are copies of
  UniqueFd empty;        // the first mask of a directory, which the others are copies of

  bool sealed = false;    // all descriptors from 3 on are close-on-exec
  uint32_t umask = 0022;  // set at the end, so that nodes get the modes that their steps say
  bool init = false;
  int death_signal = 0;
  Step env;
  bool env_set = false;
};

// Runs all steps; ends in a program or in _exit, with a failure reported.
[[noreturn]] void run_inside(Inside* inside);

// The steps by topic.
Status run_mount_step(const Step& step, Inside* inside);
Status run_path_step(const Step& step, Inside* inside);
Status run_kernel_step(const Step& step, Inside* inside);
Status run_identity_step(const Step& step, Inside* inside);

// exec, pause, storage: comes back only with a failure.
Status run_last_step(const Step& step, Inside* inside);

// Opens the container's root: `/` when no step has made one.
Status need_root(Inside* inside);

// RESOLVE_* bits for the place of a mount: no link may lead away from /dev, /proc and /sys, which others rely
// on.
uint64_t place_rules(const char* target);

// Gets the host's /dev/null ready for masks; called again before everything of the host goes away.
Status prepare_masks(Inside* inside, bool last_chance);

// Makes a terminal of the container, sends its master to the monitor; `bind`: and puts it on /dev/console.
Status make_console(Inside* inside, bool bind);

// Marks all descriptors from 3 on as close-on-exec, before a system call filter may forbid it.
Status seal_descriptors(Inside* inside);

}  // namespace vaina
