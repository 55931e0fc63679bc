/** How long each stage of a start took, in milliseconds. */
export interface Timings {
  /** From the call until the plan is given to the monitor: options compiled, directories and catalogue entries made. The monitor's own start goes on at the same time. */
  prepare: number;
  /** Until the monitor has the plan: what is left of its own start. */
  launch: number;
  /** The plan's host phase: cgroups. */
  host: number;
  /** Creating the process in its namespaces. */
  clone: number;
  /** Everything in the new process up to its exec: mounts, devices, credentials. */
  inside: number;
  /** All of them together. */
  total: number;
}

/** Of a process that somebody else started. */
export const NO_TIMINGS: Timings = { prepare: 0, launch: 0, host: 0, clone: 0, inside: 0, total: 0 };

/** CLOCK_MONOTONIC in milliseconds, the clock of the monitor's readings. */
export function monotonic(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e3 + nanoseconds / 1e6;
}

/** Readings of the clock, our own two and the monitor's, as stages. */
export function stages(
  called: number,
  launched: number,
  { main, host, clone, exec }: { main: number; host: number; clone: number; exec: number },
): Timings {
  return {
    prepare: launched - called,
    launch: main - launched,
    host: host - main,
    clone: clone - host,
    inside: exec - clone,
    total: exec - called,
  };
}
