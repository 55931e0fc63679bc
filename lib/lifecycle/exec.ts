import { compileExecPlan } from '../spec/exec-plan.js';
import { encodePlan } from '../spec/encode.js';
import type { ExecOptions } from '../spec/options.js';
import { validateExecOptions } from '../spec/validate.js';
import { requireContainer } from './catalogue.js';
import { openChannel, requestFailure } from './channel.js';
import { userFiles, userFilesIn, type UserFiles } from './container-facts.js';
import { filesOf, type Context } from './context.js';
import { publish } from './events.js';
import { exitStatus } from './exit-status.js';
import { startFailure } from './failures.js';
import { isPlainRootfs } from './files.js';
import { seccompFilter } from './plan-of.js';
import { Process } from './process.js';
import { treesOf } from './root-source.js';
import { settledSpec } from './spec-file.js';
import type { StartOptions } from './start.js';
import { IGNORE, openStdio } from './stdio.js';
import { stages } from './timings.js';

/** What an exec is, and how it is attached. */
export type ExecStartOptions = ExecOptions & StartOptions;

/** Runs a command in a running container. */
export async function execContainer(
  context: Context,
  id: string,
  argv: readonly string[],
  given: ExecStartOptions,
): Promise<Process> {
  const called = process.hrtime.bigint();
  const { stdio: triple = IGNORE, rows = 0, columns = 0, ...exec } = given;
  const options = validateExecOptions(exec);
  const spec = await settledSpec(context, id);
  const seccomp = options.privileged ? undefined : seccompFilter(context, spec.linux.seccomp);
  const plan = compileExecPlan(spec, options, {
    id,
    command: argv,
    host: context.host,
    ...(options.user === undefined ? {} : usersOf(context, id)),
    ...(seccomp ? { seccomp } : {}),
    ...(options.tty ? { terminal: { rows, columns } } : {}),
  });
  const { channel, release } = openChannel(context, id, 'exec');
  const stdio = openStdio(context.native, triple);
  try {
    const launched = process.hrtime.bigint();
    const session = channel.exec(encodePlan(plan), stdio.theirs, options.tty ? { rows, columns } : undefined);
    const streams = stdio.connect();
    const started = await session.started;
    stdio.handedOver();
    if (started.kind === 'failed') {
      throw startFailure(started, plan, requireContainer(context, id).record.name, 'container.exec');
    }
    const ended = session.exited.then(exitStatus).finally(release);
    const { main, host, clone, exec: executed } = started.timings;
    publish('exec', id, { pid: started.pid, command: argv });
    return new Process(
      started.pid,
      streams,
      channel,
      started.target,
      ended,
      stages(called, launched, [main, host, clone, executed]),
    );
  } catch (error) {
    stdio.destroy();
    release();
    throw requestFailure(error, 'exec', id);
  }
}

/** The passwd and group files as the container has them now: what it wrote itself lies over the image's. */
function usersOf(context: Context, id: string): UserFiles {
  const { imageId, options } = requireContainer(context, id).record;
  const trees = treesOf(context, imageId, options);
  const below = userFiles(context, { trees, ...(imageId === undefined ? {} : { imageId }) });
  return isPlainRootfs(options) ? below : userFilesIn(context, filesOf(context, id).upper, below);
}
