import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CheckOptions, Problem } from '../store/check/problem.js';
import { isPlainRootfs } from './files.js';
import { filesOf, type Context } from './context.js';
import { findContainer, type Entry } from './catalogue.js';
import { VainaError } from '../errors.js';

export type { CheckOptions, Problem };

/** Looks for damage in the store and in what containers have on disk. Changes nothing. */
export async function checkEngine(context: Context, options: CheckOptions): Promise<Problem[]> {
  const problems = await context.store.check(options);
  for (const { id } of context.store.containers.list()) {
    options.signal?.throwIfAborted();
    const what = containerFault(context, id);
    if (what === undefined) continue;
    // Somebody may be removing it.
    await sleep(50);
    if (containerFault(context, id) === undefined) continue;
    const imageId = context.store.containers.get(id)?.imageId;
    const names = imageId === undefined ? [] : (context.store.images.get(imageId)?.names ?? []);
    problems.push({ kind: 'container-damaged', id, what, images: [...names], imageIds: [] });
  }
  return problems;
}

function containerFault(context: Context, id: string): string | undefined {
  let entry: Entry | undefined;
  try {
    entry = findContainer(context, id);
    if (!entry) return undefined;
    if (typeof entry.record.options !== 'object' || typeof entry.state.status !== 'string')
      return `the entry of the container ${id} is not one`;
  } catch (error) {
    if (VainaError.is(error)) throw error;
    return `the entry of the container ${id} cannot be read: ${String((error as Error).message)}`;
  }
  const { record, state } = entry;
  // A crash cut its removal short; the next opener goes on.
  if (state.status === 'removing') return undefined;
  const files = filesOf(context, id);
  if (!existsSync(files.directory)) {
    // Its monitor removes them before anybody removes the entry.
    return record.options.autoRemove ? undefined : `the container ${record.name} has lost its files`;
  }
  const needed = [files.config, ...(isPlainRootfs(record.options) ? [] : [files.upper, files.work])];
  const lost = needed.find((path) => !existsSync(path));
  if (lost !== undefined) return `the container ${record.name} has lost ${lost}`;
  try {
    JSON.parse(readFileSync(files.config, 'utf8'));
  } catch (error) {
    return `the container ${record.name} cannot be started: ${files.config}: ${(error as Error).message}`;
  }
  if (record.imageId !== undefined && !context.store.images.isKnown(record.imageId))
    return `the container ${record.name} is of the image ${record.imageId}, which is missing`;
  return undefined;
}
