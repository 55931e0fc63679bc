import { expect } from 'chai';
import { BULK_LAYERS } from '../support/bulk-layers.js';
import { makeDirectory, nodeArguments, removeDirectory, runProgram } from '../support/programs.js';
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
  let directory: string;
  before(() => (directory = makeDirectory()));
  after(() => removeDirectory(directory));

  for (const { name, error, long } of BULK_LAYERS) {
    if (long && process.env['VAINA_LONG'] !== '1') continue;
    it(`is bounded: ${name}`, async () => {
      const script = nodeArguments('test/support/children/unpack-bulk');
      const ended = await runProgram(process.execPath, [...script, directory, name]);
      expect(ended.exitCode, ended.stderr).to.equal(0);
      const outcome = JSON.parse(ended.stdout) as Outcome;
      expect(outcome.error, outcome.message).to.equal(error);
      expect(outcome.grown, 'this process').to.be.lessThan(LIMIT);
      expect(outcome.worker, 'the storage worker').to.be.lessThan(LIMIT);
    });
  }
});
