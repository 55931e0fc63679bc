import { existsSync, writeFileSync } from 'node:fs';
import { VainaError } from '../../errors.js';
import { CommandError } from '../errors.js';
import type { LibraryContainer } from '../library.js';
import type { Session } from '../verb.js';
import type { CreateGiven } from './create-flags.js';
import { createOptions } from './create-options.js';

/** Creates the container that the flags ask for: what `run` and `create` share. */
export async function makeContainer(
  session: Session,
  args: readonly string[],
  given: CreateGiven,
): Promise<LibraryContainer> {
  const { image, options } = createOptions(session, args, given);
  if (given.replace && given.name === undefined) {
    throw new CommandError('cannot replace container without --name being set');
  }
  if (given.cidfile !== undefined && existsSync(given.cidfile)) {
    const advice = `Ensure another container is not using it or delete ${given.cidfile}`;
    throw new CommandError(`container id file exists. ${advice}`);
  }
  const engine = await session.engine();
  if (given.replace) await removeNamed(session, given.name!);
  const container = await session.abortable((signal) =>
    engine.containers.create(image, { ...options, pullOptions: { ...options.pullOptions, signal } }),
  );
  if (given.cidfile !== undefined) {
    try {
      writeFileSync(given.cidfile, container.id, { flag: 'wx' });
    } catch (error) {
      await container.remove({ force: true });
      throw error;
    }
  }
  return container;
}

async function removeNamed(session: Session, name: string): Promise<void> {
  try {
    const engine = await session.engine();
    const container = await engine.containers.get(name);
    // An id that starts like the name is somebody else's.
    if (container.name === name) await container.remove({ force: true });
  } catch (error) {
    if (!VainaError.is(error, 'ERR_NO_SUCH_CONTAINER')) throw error;
  }
}
