import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { VainaError, type ErrorCode } from '../../lib/errors.js';
import { Engine } from '../../lib/index.js';
import { expectNothingLeft, takeCensus, type Census } from './leftovers.js';
import {
  makeBusyboxRoot,
  makeDirectory,
  nodeArguments,
  packRoot,
  removeDirectory,
  runProgram,
  type Ended,
} from './programs.js';
import { requires } from './requires.js';

export * from './programs.js';
export { MUST_RUN } from './requires.js';

/** An engine with a store of its own and one small image, for the tests of a file. */
export interface Scratch {
  readonly directory: string;
  readonly root: string;
  readonly runroot: string;
  readonly engine: Engine;
  /** Name of an image that holds busybox and has `sh` as its command. */
  readonly image: string;
  readonly census: Census;
}

/**
 * Call in a `describe`: opens an engine with a busybox image before its tests; after them removes every container
 * and the store, and fails when anything is left on the host.
 *
 * @param prepare - adds to the root file system of the image before it is packed
 */
export function useEngine(prepare?: (root: string) => void): Scratch {
  const scratch = {} as { -readonly [K in keyof Scratch]: Scratch[K] };
  requires('busybox');
  before(async function () {
    this.timeout(60_000);
    scratch.directory = makeDirectory();
    chmodSync(scratch.directory, 0o755);
    scratch.root = join(scratch.directory, 'root');
    scratch.runroot = join(scratch.directory, 'run');
    scratch.census = takeCensus(scratch);
    scratch.engine = await Engine.open({ root: scratch.root, runroot: scratch.runroot });
    const root = makeBusyboxRoot(scratch.directory);
    prepare?.(root);
    scratch.image = 'localhost/busybox:test';
    await scratch.engine.images.import(packRoot(root), {
      reference: scratch.image,
      changes: ['CMD ["sh"]', 'ENV PATH=/bin', 'ENV FROM_IMAGE=yes'],
    });
  });
  after(async function () {
    this.timeout(60_000);
    if (scratch.directory === undefined) return;
    if (scratch.engine !== undefined) {
      await removeAll(scratch.engine);
      await scratch.engine.close();
    }
    try {
      await expectNothingLeft(scratch.census, scratch, 2000);
    } finally {
      removeDirectory(scratch.directory);
    }
  });
  return scratch;
}

/** An image like the one of `box` with some paths made by `prepare`; gives its name. */
export async function importHostile(
  box: Scratch,
  prepare: (root: string) => void,
  changes: readonly string[] = [],
): Promise<string> {
  const parent = mkdtempSync(join(box.directory, 'hostile-'));
  const root = makeBusyboxRoot(parent);
  prepare(root);
  const reference = `localhost/${parent.slice(parent.lastIndexOf('/') + 1).toLowerCase()}:test`;
  await box.engine.images.import(packRoot(root), { reference, changes: ['ENV PATH=/bin', ...changes] });
  rmSync(parent, { recursive: true });
  return reference;
}

/** Removes every container of the engine, running or not. */
export async function removeAll(engine: Engine): Promise<void> {
  for (const { id } of await engine.containers.list({ all: true })) {
    await (await engine.containers.get(id)).remove({ force: true, timeout: 0 });
  }
}

/** Fails unless `work` is refused with this code; returns the error for a closer look. */
export async function expectError(
  code: ErrorCode,
  work: Promise<unknown> | (() => unknown),
): Promise<VainaError> {
  let value: unknown;
  try {
    value = await (typeof work === 'function' ? work() : work);
  } catch (error) {
    if (!VainaError.is(error)) throw error;
    expect(error.code, error.message).to.equal(code);
    expect(error.message)
      .to.match(/^[^A-Z]/, 'messages start in lower case')
      .and.not.match(/[.\n]$/);
    return error;
  }
  throw new Error(`expected ${code}, got ${JSON.stringify(value)}`);
}

/** Runs `vaina ARGS` against the store of `scratch`. */
export function vaina(
  scratch: { root: string; runroot: string },
  args: readonly string[],
  input?: string,
): Promise<Ended> {
  return runProgram(
    process.execPath,
    [...nodeArguments('lib/cli/main'), '--root', scratch.root, '--runroot', scratch.runroot, ...args],
    input === undefined ? {} : { input },
  );
}
