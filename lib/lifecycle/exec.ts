import { appendStep } from '../spec/encode.js';
import { execStep } from '../spec/exec-plan.js';
import type { ExecOptions } from '../spec/options.js';
import { validateExecOptions } from '../spec/validate.js';
import { requireContainer } from './catalogue.js';
import { openChannel, requestFailure } from './channel.js';
import type { Context } from './context.js';
import { publish } from './events.js';
import { execSetting } from './exec-setting.js';
import { exitStatus } from './exit-status.js';
import { startFailure } from './failures.js';
import { Process } from './process.js';
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
  const command = execStep(argv);
  const { plan, encoded } = await execSetting(context, id, options, { rows, columns });
  const { channel, release } = openChannel(context, id, 'exec');
  const stdio = openStdio(context.native, triple);
  try {
    const launched = process.hrtime.bigint();
    const session = channel.exec(
      appendStep(encoded, command),
      stdio.theirs,
      options.tty ? { rows, columns } : undefined,
    );
    const streams = stdio.connect();
    const started = await session.started;
    stdio.handedOver();
    if (started.kind === 'failed') {
      const { name } = requireContainer(context, id).record;
      throw startFailure(started, [...plan, command], name, 'container.exec');
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
