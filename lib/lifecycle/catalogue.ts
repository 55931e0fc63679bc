import { VainaError } from '../errors.js';
import type { ContainerRow } from '../store/containers.js';
import type { Context } from './context.js';
import { randomName } from './names.js';
import type { ContainerRecord, ContainerState } from './records.js';

/** A container as the catalogue has it. */
export interface Entry {
  record: ContainerRecord;
  state: ContainerState;
}

/** How often a random name is drawn again before it gets a number. */
const DRAWS = 10;

/** Enters a new container. A random name that is taken is drawn again; a given one is refused by ERR_NAME_IN_USE. */
export function insertContainer(context: Context, entry: Entry, how: { givenName: boolean }): void {
  const { record, state } = entry;
  for (let draw = 0; ; draw++) {
    try {
      context.store.containers.insert({
        id: record.id,
        name: record.name,
        ...(record.imageId === undefined ? {} : { imageId: record.imageId }),
        createdAt: record.createdAt,
        autoRemove: record.options.autoRemove ?? false,
        record,
        state,
      });
      return;
    } catch (error) {
      if (how.givenName || !VainaError.is(error, 'ERR_NAME_IN_USE') || draw === 2 * DRAWS) throw error;
      record.name = draw < DRAWS ? randomName() : `${randomName()}_${record.id.slice(0, 6)}`;
    }
  }
}

/** The container of this name, id, or unique beginning of an id. Throws ERR_NO_SUCH_CONTAINER, ERR_AMBIGUOUS_ID. */
export function requireContainer(context: Context, idOrName: string): Entry {
  return entryOf(context.store.containers.find(idOrName));
}

/** As {@link requireContainer}, but undefined when there is none. */
export function findContainer(context: Context, idOrName: string): Entry | undefined {
  try {
    return requireContainer(context, idOrName);
  } catch (error) {
    if (VainaError.is(error, 'ERR_NO_SUCH_CONTAINER')) return undefined;
    throw error;
  }
}

/** Every container, the oldest first. */
export function allContainers(context: Context): Entry[] {
  return context.store.containers.list().map(entryOf);
}

/** Saves what changed. */
export function saveState(context: Context, id: string, state: ContainerState): void {
  context.store.containers.updateState(id, state);
}

/** Saves what can be learnt again, or what a removal will make true: a full disk must not stand in its way. */
export function trySaveState(context: Context, id: string, state: ContainerState): void {
  try {
    saveState(context, id, state);
  } catch (error) {
    if (!VainaError.is(error, 'ERR_NO_SPACE')) throw error;
  }
}

/** Forgets a container. */
export function deleteContainer(context: Context, id: string): void {
  context.specs.delete(id);
  context.execs.delete(id);
  context.store.containers.delete(id);
}

function entryOf(row: ContainerRow): Entry {
  const state = row.state as ContainerState;
  if (!state.exit) return { record: row.record as ContainerRecord, state };
  const { startedAt, finishedAt } = state.exit;
  const exit = { ...state.exit, startedAt: new Date(startedAt), finishedAt: new Date(finishedAt) };
  return { record: row.record as ContainerRecord, state: { ...state, exit } };
}
