import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { deleteImage } from '../../../lib/transports/delete-image.js';
import { flock } from '../../../lib/util/flock.js';
import { blobsOf, layoutEntries, makeImage, writeTree } from '../../support/images.js';

describe('transports: deleting from a layout', () => {
  let directory: string;
  const index = (): string => readFileSync(join(directory, 'index.json'), 'utf8');
  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'vaina-delete-'));
    const image = await makeImage();
    const { descriptor } = image.manifest;
    writeTree(directory, layoutEntries([{ descriptor, name: 'a' }], blobsOf(image)));
  });
  after(() => rmSync(directory, { recursive: true }));

  it('waits for who writes to it, until it is told to stop', async () => {
    const before = index();
    const lock = await flock(directory);
    try {
      const stop = new AbortController();
      const deleted = deleteImage(`oci:${directory}:a`, { signal: stop.signal });
      const reason = deleted.catch((error: unknown) => error);
      await sleep(200);
      expect(index()).to.equal(before);
      stop.abort(new Error('enough'));
      expect(await reason).to.have.property('message', 'enough');
      expect(index()).to.equal(before);
    } finally {
      await lock.close();
    }
    await deleteImage(`oci:${directory}:a`);
    expect(JSON.parse(index())).to.have.property('manifests').that.deep.equals([]);
  });
});
