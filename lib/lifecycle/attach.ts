import { openChannel, requestFailure } from './channel.js';
import type { Context } from './context.js';
import { Process } from './process.js';
import { openStdio, type StdioTriple } from './stdio.js';
import { readTruth } from './sync.js';
import { requireContainer } from './catalogue.js';
import { NO_TIMINGS } from './timings.js';
import { waitContainer } from './wait.js';

/** Attaches descriptors or streams to the main process of a running container. */
export async function attachContainer(context: Context, id: string, triple: StdioTriple): Promise<Process> {
  const { channel, release } = openChannel(context, id, 'attach');
  const stdio = openStdio(context.native, triple);
  try {
    const [stdin, stdout, stderr] = stdio.theirs;
    await channel.attach({
      ...(stdin < 0 ? {} : { stdin }),
      ...(stdout < 0 ? {} : { stdout }),
      ...(stderr < 0 ? {} : { stderr }),
    });
  } catch (error) {
    stdio.destroy();
    release();
    throw requestFailure(error, 'attach', id);
  }
  stdio.handedOver();
  const streams = stdio.ours.connect();
  const { pid } = readTruth(context, requireContainer(context, id));
  const ended = waitContainer(context, id).finally(release);
  return new Process(pid, streams, channel, 0, ended, NO_TIMINGS);
}
