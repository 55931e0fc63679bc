import { removeContainer } from './remove.js';
import { collect, type CollectOptions, type CommandResult } from './collect.js';
import type { Context } from './context.js';
import { createContainer, type ChosenImage } from './create.js';
import { startContainer } from './start.js';
import type { ContainerOptions } from '../spec/options.js';
import type { StdioTriple } from './stdio.js';

/** Runs one command in a container of its own and removes it: nothing of it is kept, no log either. */
export async function runOnce(
  context: Context,
  image: ChosenImage | undefined,
  options: ContainerOptions,
  how: CollectOptions,
): Promise<CommandResult> {
  const called = process.hrtime.bigint();
  const { entry, spec } = await createContainer(context, image, {
    logDriver: 'none',
    ...options,
    autoRemove: true,
  });
  const { id } = entry.record;
  const stdio: StdioTriple = [how.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'];
  try {
    const started = await startContainer(context, id, { stdio }, called, spec);
    return await collect(started, how);
  } catch (error) {
    await removeContainer(context, id, { force: true, timeout: 0 });
    throw error;
  }
}
