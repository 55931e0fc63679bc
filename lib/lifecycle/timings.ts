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

/** The monitor's clock readings (CLOCK_MONOTONIC in nanoseconds, the clock of process.hrtime) as stages. */
export function stages(called: bigint, launched: bigint, readings: readonly bigint[]): Timings {
  const marks = [called, launched, ...readings];
  const span = (index: number): number => Number((marks[index + 1] ?? 0n) - (marks[index] ?? 0n)) / 1e6;
  return {
    prepare: span(0),
    launch: span(1),
    host: span(2),
    clone: span(3),
    inside: span(4),
    total: Number((marks.at(-1) ?? called) - called) / 1e6,
  };
}
