import type { ControlChannel, Session } from '../native/control.js';
import { checkCommand } from '../spec/exec-plan.js';
import type { ExecOptions } from '../spec/options.js';
import type { Plan } from '../spec/steps.js';
import { validateExecOptions } from '../spec/validate.js';
import { requireContainer } from './catalogue.js';
import { openChannel, requestFailure } from './channel.js';
import { checkOptions, splitOptions } from './check-options.js';
import { collect, commandResult, type CollectOptions, type CommandResult } from './collect.js';
import type { Context } from './context.js';
import { publish } from './events.js';
import { execSetting, lastSetting } from './exec-setting.js';
import { exitStatus } from './exit-status.js';
import { startFailure } from './failures.js';
import { Process } from './process.js';
import type { StartOptions } from './start.js';
import { IGNORE, PipeEnds, PIPES, stdioNumbers, type StdioTriple, type Streams } from './stdio.js';
import { monotonic, stages, type Timings } from './timings.js';

/** What an exec is, and how it is attached. */
export type ExecStartOptions = ExecOptions & StartOptions;

/** How an exec is attached. */
interface Attachment {
  stdio: StdioTriple;
  size: { rows: number; columns: number };
  /** It is enough to hear of its start a little later, or with its end. */
  brief?: boolean;
}

const BRIEF: Attachment = { stdio: ['ignore', 'pipe', 'pipe'], size: { rows: 0, columns: 0 }, brief: true };

/** Runs a command in a running container. */
export async function execContainer(
  context: Context,
  id: string,
  argv: readonly string[],
  { stdio = IGNORE, rows = 0, columns = 0, ...options }: ExecStartOptions,
): Promise<Process> {
  const sent = await send(context, id, argv, options, { stdio, size: { rows, columns } });
  const streams = sent.pipes.connect();
  return toProcess(sent, streams, await answer(sent));
}

/** Runs a command in a running container to its end, and collects what it writes. */
export async function execToEnd(
  context: Context,
  id: string,
  argv: readonly string[],
  options: ExecOptions & CollectOptions,
): Promise<CommandResult> {
  const [how, exec] = splitOptions<CollectOptions, ExecOptions>('collect', options);
  checkOptions('collect', how);
  how.signal?.throwIfAborted();
  if (how.input !== undefined) {
    return collect(await execContainer(context, id, argv, { ...exec, stdio: PIPES }), how);
  }
  const sent = await send(context, id, argv, exec, BRIEF);
  const start = await answer(sent);
  const { session, pipes } = sent;
  const output = session.record && pipes.take();
  if (!output) return collect(toProcess(sent, pipes.connect(), start), how);
  sent.release();
  how.signal?.throwIfAborted();
  return commandResult(exitStatus(session.record), output, start.timings, how);
}

/** What the monitor tells of a process that runs, or has run. */
interface Start {
  pid: number;
  target: number;
  timings: Timings;
}

/** A command that the monitor was asked to run. */
interface Sent {
  context: Context;
  id: string;
  argv: readonly string[];
  plan: Plan;
  called: number;
  launched: number;
  channel: ControlChannel;
  session: Session;
  pipes: PipeEnds;
  release: () => void;
}

async function send(
  context: Context,
  id: string,
  argv: readonly string[],
  given: ExecOptions,
  { stdio: triple, size, brief = false }: Attachment,
): Promise<Sent> {
  const called = monotonic();
  const options = validateExecOptions(given);
  const command = checkCommand(argv);
  const stdio = stdioNumbers(triple);
  const { plan, encoded } =
    lastSetting(context, id, options, size) ?? (await execSetting(context, id, options, size));
  const { channel, release } = openChannel(context, id, 'exec');
  try {
    const launched = monotonic();
    const how = { size: options.tty ? size : undefined, brief };
    const { session, pipes: ends } = await channel.exec(encoded, command, stdio, how);
    const pipes = new PipeEnds(context.native, ends);
    return { context, id, argv, plan, called, launched, channel, session, pipes, release };
  } catch (error) {
    release();
    throw requestFailure(error, 'exec', id);
  }
}

/** Settles when it runs, or has run already. */
async function answer(sent: Sent): Promise<Start> {
  const { context, id, argv, pipes, release, called, launched } = sent;
  try {
    const told = await sent.session.started;
    if (told.kind === 'failed') {
      const { name } = requireContainer(context, id).record;
      throw startFailure(told, [...sent.plan, ['exec', ...argv]], name, 'container.exec');
    }
    const { pid, target } = told;
    publish('exec', id, { pid, command: argv });
    return { pid, target, timings: stages(called, launched, told.timings) };
  } catch (error) {
    pipes.destroy();
    release();
    throw requestFailure(error, 'exec', id);
  }
}

function toProcess({ channel, session, release }: Sent, streams: Streams, start: Start): Process {
  const { pid, target, timings } = start;
  const ended = session.exited.then(exitStatus).finally(release);
  return new Process(pid, streams, channel, target, ended, timings);
}
