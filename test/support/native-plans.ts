import { mkdirSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import {
  ControlChannel,
  reapMonitor,
  type Session,
  type Started,
  type Stdio,
} from '../../lib/native/control.js';
import { native } from '../../lib/native/index.js';
import { encodePlan } from '../../lib/spec/encode.js';
import type { Plan, Step } from '../../lib/spec/steps.js';
import { isMonitor } from './leftovers.js';
import { makeBusyboxRoot, makeDirectory, removeDirectory, until } from './programs.js';
import { requires } from './requires.js';

/** Its streams are those it was given. */
export const DIRECT: Step[] = [['stdio', 0]];
/** Its streams pass through the monitor. */
export const PIPED: Step[] = [['stdio', 1]];

const NEW_NAMESPACES = 0x0002_0000 | 0x2000_0000 | 0x0400_0000 | 0x0800_0000; // mount, pid, uts, ipc
const MS_REC_PRIVATE = 0x4000 | 0x40000;
const CHARACTER_DEVICE = 0o020666;

/** Directories for plans that are written by hand. */
export interface Place {
  directory: string;
  root: string;
  staging: string;
  /** Makes a fresh directory of a runroot. */
  runDir(): string;
}

/** Call in a `describe`: a busybox root file system before its tests, and nothing left after them. */
export function usePlace(): Place {
  const place = {} as Place;
  requires('root', 'mount', 'busybox');
  before(() => {
    place.directory = makeDirectory();
    place.root = makeBusyboxRoot(place.directory);
    place.staging = join(place.directory, 'staging');
    mkdirSync(place.staging);
    place.runDir = () => mkdtempSync(join(place.directory, 'run-'));
  });
  after(async () => {
    if (place.directory === undefined) return;
    // An ended one stays until it is collected, which takes the event loop a moment.
    await until('no monitor is left', () => ownMonitors().length === 0, 2000);
    expect(readFileSync('/proc/self/mountinfo', 'latin1'), 'mounts left').to.not.include(place.directory);
    removeDirectory(place.directory);
  });
  return place;
}

/** Monitors of this process, ended ones included: other tests may run beside us. */
function ownMonitors(): string[] {
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid) || !isMonitor(pid)) return false;
    try {
      return (
        readFileSync(`/proc/${pid}/stat`, 'latin1').match(/\) [A-Z] (\d+) /)?.[1] === String(process.pid)
      );
    } catch {
      return false;
    }
  });
}

/** A plan that runs busybox in namespaces of its own. */
export function containerPlan(place: Place, policy: readonly Step[], argv: readonly string[]): Plan {
  return [
    ...policy,
    ['clone', NEW_NAMESPACES],
    ['propagation', MS_REC_PRIVATE],
    ['root-bind', place.root, place.staging],
    ['mount', 'proc', 'proc', '/proc', 0, ''],
    ['mount', 'tmpfs', 'tmpfs', '/dev', 0, 'mode=755'],
    ['mkdir', '/dev/pts', 0o755],
    ['mount', 'devpts', 'devpts', '/dev/pts', 0, 'newinstance,ptmxmode=0666'],
    ['mknod', '/dev/null', CHARACTER_DEVICE, 1, 3, 0, 0],
    ['mknod', '/dev/zero', CHARACTER_DEVICE, 1, 5, 0, 0],
    ['symlink', 'pts/ptmx', '/dev/ptmx'],
    ...(policy.some(([name]) => name === 'tty') ? [['console'] as const] : []),
    ['pivot-root'],
    ['parent-death-signal', 9],
    ['env', 'PATH=/bin'],
    ['exec', ...argv],
  ];
}

/** The policy of a container with a directory of its own. */
export const inDirectory = (runDir: string): Step[] => [
  ['run-dir', runDir],
  ['exit-record', join(runDir, 'exit')],
  ...PIPED,
];

/** A plan, but for the command, that runs busybox in the namespaces of a running container. */
export function execPlan(policy: readonly Step[] = []): Plan {
  return [...policy, ['join', NEW_NAMESPACES], ['env', 'PATH=/bin']];
}

/** Runs a command in a running container. */
export async function exec(
  { channel }: Launched,
  argv: readonly string[],
  stdio: Stdio = [-1, -1, -1],
  options: { policy?: readonly Step[]; size?: { rows: number; columns: number }; brief?: boolean } = {},
): Promise<Session> {
  const { session } = await channel.exec(encodePlan(execPlan(options.policy)), argv, stdio, options);
  return session;
}

/** A launched monitor and its container. */
export interface Launched {
  pid: number;
  channel: ControlChannel;
  container: Session;
}

const launched: Launched[] = [];

/** Launches a plan that may run beside several tests; {@link finish} collects the monitor. */
export function launchBeside(plan: Plan, stdio: Stdio = [-1, -1, -1]): Launched {
  const { pid, channel } = ControlChannel.launch(native(), encodePlan(plan), stdio);
  return { pid, channel, container: channel.container as Session };
}

/** Launches a plan; {@link finish} or the end of the test collects the monitor. */
export function launch(plan: Plan, stdio: Stdio = [-1, -1, -1]): Launched {
  const result = launchBeside(plan, stdio);
  launched.push(result);
  return result;
}

/** Waits until it runs; fails with what went wrong. */
export async function started(one: { started: Promise<{ kind: string }> }): Promise<Started> {
  const answer = await one.started;
  expect(
    answer.kind,
    JSON.stringify(answer, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value)),
  ).to.equal('started');
  return answer as Started;
}

/** Waits for the end of a monitor and collects it. */
export async function finish({ pid, channel }: Launched): Promise<void> {
  await channel.closed;
  reapMonitor(native(), pid);
}

/** Ends what a failed test has left running. */
export async function finishAll(): Promise<void> {
  for (const one of launched.splice(0)) {
    one.channel.close();
    await finish(one);
  }
}

/** A pipe whose read end is read to its end. */
export function capture(): { fd: number; close(): void; text: Promise<string>; bytes: Promise<Buffer> } {
  const [read = -1, write = -1] = native().pipes(1);
  const bytes = readAll(read);
  return {
    fd: write,
    close: () => native().close(write),
    bytes,
    text: bytes.then((content) => content.toString()),
  };
}

async function readAll(fd: number): Promise<Buffer> {
  const { Socket } = await import('node:net');
  const chunks: Buffer[] = [];
  for await (const chunk of new Socket({ fd, readable: true, writable: false })) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** Runs a plan to its end. */
export async function run(plan: Plan): Promise<{
  stdout: string;
  stderr: string;
  exitCode: number;
  signal: number;
}> {
  const stdout = capture();
  const stderr = capture();
  const one = launch(plan, [-1, stdout.fd, stderr.fd]);
  stdout.close();
  stderr.close();
  const started = await one.container.started;
  if (started.kind === 'failed') throw new Error(started.text);
  const { exitCode, signal } = await one.container.exited;
  await finish(one);
  return { stdout: await stdout.text, stderr: await stderr.text, exitCode, signal };
}
