import { readFileSync } from 'node:fs';
import { VainaError } from '../../errors.js';
import { CommandError } from '../errors.js';
import { containerFilters } from '../filters.js';
import { flag, type Flag } from '../flags.js';
import type { LibraryContainer } from '../library.js';
import type { Session } from '../verb.js';

/** The flags that choose containers, as they were given. */
export interface SelectGiven {
  all?: boolean;
  cidfile?: string[];
  filter?: string[];
  ignore?: boolean;
  latest?: boolean;
}

const FLAGS = {
  all: () => flag('-a, --all', 'Act on all containers'),
  cidfile: () => flag('--cidfile <stringArray>', 'Read the container ID from the file', 'list'),
  filter: () => flag('-f, --filter <strings>', 'Filter output based on conditions given', 'list'),
  ignore: () => flag('-i, --ignore', 'Ignore errors when a specified container is missing'),
  latest: () => flag('-l, --latest', 'Act on the latest container vaina is aware of'),
} satisfies Record<keyof SelectGiven, () => Flag>;

/** Some of the flags that choose containers. */
export function selectFlags(...names: (keyof SelectGiven)[]): Flag[] {
  return names.map((name) => FLAGS[name]());
}

/** A chosen container, with the name by which to report it. */
export interface Selected {
  container: LibraryContainer;
  shown: string;
}

/** What {@link select} found. */
export interface Selection {
  selected: Selected[];
  /** Exit codes of names that were not found; each was complained of. */
  failures: number[];
}

/**
 * Finds the containers that a command is to act on: named ones, in files, the latest, all, or those of a filter.
 * @param missing - the exit code for a name that does not exist
 */
export async function select(
  session: Session,
  args: readonly string[],
  given: SelectGiven,
  missing?: number,
): Promise<Selection> {
  const names = [...args, ...(given.cidfile ?? []).flatMap((file) => readId(file, given.ignore ?? false))];
  const wholesale = (given.all ?? false) || given.filter !== undefined || (given.latest ?? false);
  if (wholesale && names.length > 0) {
    const which = given.all ? '--all' : given.latest ? '--latest' : '--filter';
    throw new CommandError(`no arguments are needed with ${which}`);
  }
  if (!wholesale && names.length === 0) {
    if (given.cidfile) return { selected: [], failures: [] };
    throw new CommandError('you must provide at least one name or id');
  }
  const engine = await session.engine();
  const selection: Selection = { selected: [], failures: [] };
  const find = async (name: string, shown: string, absenceIsFine: boolean): Promise<void> => {
    try {
      selection.selected.push({ container: await engine.containers.get(name), shown });
    } catch (error) {
      const absent = VainaError.is(error, 'ERR_NO_SUCH_CONTAINER');
      if (absent && absenceIsFine) return;
      const code = session.complain(error);
      selection.failures.push(absent ? (missing ?? code) : code);
    }
  };
  if (wholesale) {
    let rows = await engine.containers.list({ all: true, ...containerFilters(given.filter) });
    if (given.latest) rows = rows.toSorted((a, b) => b.created.getTime() - a.created.getTime()).slice(0, 1);
    // Between the list and here a container may go.
    for (const row of rows) await find(row.id, row.id, true);
  } else {
    for (const name of names) await find(name, name, given.ignore ?? false);
  }
  return selection;
}

/**
 * Acts on each of a selection, and goes on after a failure.
 * @param act - false when there was nothing to do, which is not reported
 * @returns the exit codes of failures
 */
export async function actOnEach(
  session: Session,
  { selected, failures }: Selection,
  act: (container: LibraryContainer) => Promise<boolean | void>,
  codeOf: (error: unknown, code: number) => number = (_, code) => code,
): Promise<number[]> {
  const codes = await Promise.all(
    selected.map(async ({ container, shown }) => {
      try {
        if ((await act(container)) !== false) session.print(shown);
        return 0;
      } catch (error) {
        return codeOf(error, session.complain(error));
      }
    }),
  );
  return [...failures, ...codes.filter((code) => code !== 0)];
}

function readId(file: string, ignore: boolean): string[] {
  try {
    return [readFileSync(file, 'utf8').split('\n')[0]!.trim()];
  } catch (error) {
    if (ignore && (error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw new CommandError(`reading CIDFile: ${(error as Error).message}`);
  }
}
