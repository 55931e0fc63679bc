import { removeContainer } from './remove.js';
import { collect, type CollectOptions, type CommandResult } from './collect.js';
import type { Context } from './context.js';
import { createContainer, type ChosenImage } from './create.js';
import { beginMonitor, startingState, startLocked } from './start.js';
import type { ContainerOptions } from '../spec/options.js';
import type { StdioTriple } from './stdio.js';
import { monotonic } from './timings.js';

/** Runs one command in a container of its own and removes it: nothing of it is kept, no log either. */
export async function runOnce(
  context: Context,
  image: ChosenImage | undefined,
  options: ContainerOptions,
  how: CollectOptions,
): Promise<CommandResult> {
  const called = monotonic();
  const wanted: ContainerOptions = { logDriver: 'none', ...options, autoRemove: true };
  const stdio: StdioTriple = [how.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'];
  const begun = beginMonitor(context, stdio);
  const created = await createContainer(context, image, wanted, startingState()).catch((error: unknown) => {
    begun.abandon();
    throw error;
  });
  const { lock } = created;
  using _specFile = created.specFile;
  const { id } = created.entry.record;
  try {
    const started = await startLocked(context, created, { stdio }, begun, called);
    lock.release();
    return await collect(started, how);
  } catch (error) {
    lock.release();
    await removeContainer(context, id, { force: true, timeout: 0 });
    throw error;
  }
}
