import { join } from 'node:path';
import { expect } from 'chai';
import { BULK_LAYERS } from '../support/bulk-layers.js';
import {
  makeDirectory,
  nodeArguments,
  removeDirectory,
  runProgram,
  type Ended,
} from '../support/programs.js';
import { requires } from '../support/requires.js';

/** The catalogue's bound: above what the process has before. */
const LIMIT = 128 << 20;

interface Outcome {
  error?: string;
  message?: string;
  /** Bytes that the highest mark of the process lies above its beginning. */
  grown: number;
  /** The highest mark of the storage worker, in bytes. */
  worker: number;
}

describe('memory over a large layer', function () {
  this.timeout(600_000);
  requires('root');
  const layers = BULK_LAYERS.filter(({ long }) => !long || process.env['VAINA_LONG'] === '1');
  let directory: string;
  /** Each has a process and a directory of its own, and they all run at once. */
  const unpacked = new Map<string, Promise<Ended>>();
  before(() => {
    directory = makeDirectory();
    for (const [i, { name }] of layers.entries()) {
      const script = nodeArguments('test/support/children/unpack-bulk');
      const own = join(directory, String(i));
      unpacked.set(name, runProgram(process.execPath, [...script, own, name]));
    }
    for (const each of unpacked.values()) each.catch(() => undefined);
  });
  after(async () => {
    await Promise.allSettled(unpacked.values());
    removeDirectory(directory);
  });

  for (const { name, error } of layers) {
    it(`is bounded: ${name}`, async () => {
      const ended = (await unpacked.get(name)) as Ended;
      expect(ended.exitCode, ended.stderr).to.equal(0);
      const outcome = JSON.parse(ended.stdout) as Outcome;
      expect(outcome.error, outcome.message).to.equal(error);
      expect(outcome.grown, 'this process').to.be.lessThan(LIMIT);
      expect(outcome.worker, 'the storage worker').to.be.lessThan(LIMIT);
    });
  }
});
