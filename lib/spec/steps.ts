/** One line each: the TypeScript half of the table in `csrc/tables/steps.def` (a test compares them). */
const TABLE = {
  // policy: how the monitor supervises
  'run-dir': { op: 1, phase: 'policy', args: 's' },
  log: { op: 2, phase: 'policy', args: 'su' },
  stdio: { op: 3, phase: 'policy', args: 'u' },
  tty: { op: 4, phase: 'policy', args: 'uu' },
  'keep-stdin': { op: 5, phase: 'policy', args: '' },
  stop: { op: 6, phase: 'policy', args: 'uu' },
  detach: { op: 7, phase: 'policy', args: '' },
  'exit-record': { op: 8, phase: 'policy', args: 's' },

  // host: by the monitor, in the host's namespaces, before the clone
  'cgroup-dir': { op: 20, phase: 'host', args: 's' },
  'cgroup-write': { op: 21, phase: 'host', args: 'ss' },
  'cgroup-inherit': { op: 22, phase: 'host', args: 'ss' },
  'cgroup-device-filter': { op: 23, phase: 'host', args: 'sb' },
  'cgroup-enter': { op: 24, phase: 'host', args: 's' },
  'monitor-cgroup': { op: 25, phase: 'host', args: 's' },

  // clone: which namespaces, id maps and memberships the new process has
  clone: { op: 40, phase: 'clone', args: 'u' },
  'uid-map': { op: 41, phase: 'clone', args: 'ss' },
  'gid-map': { op: 42, phase: 'clone', args: 'ss' },
  'setgroups-deny': { op: 43, phase: 'clone', args: '' },
  join: { op: 44, phase: 'clone', args: 'u' },
  'join-path': { op: 45, phase: 'clone', args: 'su' },

  // inside: by the new process
  propagation: { op: 60, phase: 'inside', args: 'u' },
  overlay: { op: 61, phase: 'inside', args: 'sssss*' },
  'root-bind': { op: 62, phase: 'inside', args: 'ss' },
  mount: { op: 63, phase: 'inside', args: 'sssus' },
  bind: { op: 64, phase: 'inside', args: 'ssuus' },
  mkdir: { op: 65, phase: 'inside', args: 'su' },
  mknod: { op: 66, phase: 'inside', args: 'suuuuu' },
  symlink: { op: 67, phase: 'inside', args: 'ss' },
  mask: { op: 68, phase: 'inside', args: 's' },
  readonly: { op: 69, phase: 'inside', args: 's' },
  'pivot-root': { op: 70, phase: 'inside', args: '' },
  'root-attributes': { op: 71, phase: 'inside', args: 'u' },
  hostname: { op: 72, phase: 'inside', args: 's' },
  domainname: { op: 73, phase: 'inside', args: 's' },
  sysctl: { op: 74, phase: 'inside', args: 'ss' },
  rlimit: { op: 75, phase: 'inside', args: 'uuu' },
  'oom-score-adj': { op: 76, phase: 'inside', args: 's' },
  'link-up': { op: 77, phase: 'inside', args: 's' },
  keyring: { op: 78, phase: 'inside', args: 's' },
  workdir: { op: 79, phase: 'inside', args: 'su' },
  umask: { op: 80, phase: 'inside', args: 'u' },
  bounding: { op: 81, phase: 'inside', args: 'u' },
  user: { op: 82, phase: 'inside', args: 'uuu*' },
  capabilities: { op: 83, phase: 'inside', args: 'uuuu' },
  'no-new-privileges': { op: 84, phase: 'inside', args: '' },
  seccomp: { op: 85, phase: 'inside', args: 'ub' },
  console: { op: 86, phase: 'inside', args: '' },
  'parent-death-signal': { op: 87, phase: 'inside', args: 'u' },
  env: { op: 88, phase: 'inside', args: 's*' },
  init: { op: 89, phase: 'inside', args: '' },
  exec: { op: 90, phase: 'inside', args: 's*' },
  pause: { op: 91, phase: 'inside', args: '' },
  storage: { op: 92, phase: 'inside', args: '' },

  // after: by the monitor, when the container has ended
  'cgroup-remove': { op: 110, phase: 'after', args: 's' },
  'remove-tree': { op: 111, phase: 'after', args: 's' },
  'remove-run-dir': { op: 112, phase: 'after', args: '' },
} as const;

/**
 * The name of a step.
 * @useDeclaredType
 */
export type StepName = keyof typeof TABLE;

/**
 * When a step runs, and by whom: `policy` how the monitor supervises; `host` by the monitor, before the clone; `clone`
 * the clone itself; `inside` by the new process; `after` by the monitor, when the container has ended.
 * @useDeclaredType
 */
export type Phase = (typeof TABLE)[StepName]['phase'];

/** What is fixed of a step. */
export interface StepDefinition {
  /** Its number in an encoded plan. */
  readonly op: number;
  /** When it runs, and by whom. */
  readonly phase: Phase;
  /**
   * The kind of each argument: `s` a string of bytes without NUL, `u` an unsigned 64-bit integer, `b` any bytes; a
   * trailing `*` repeats the last kind any number of times.
   */
  readonly args: string;
}

/** The steps of a launch plan. `docs/plan.md` explains every one of them. */
export const STEPS: Readonly<Record<StepName, StepDefinition>> = TABLE;

/** An argument of a step: text, bytes, or an unsigned integer. */
export type StepArgument = string | Uint8Array | number | bigint;

/** One step of a plan: its name and its arguments in the order of {@link STEPS}. */
export type Step = readonly [StepName, ...StepArgument[]];

/** A launch plan: steps in the order in which they run. */
export type Plan = readonly Step[];
