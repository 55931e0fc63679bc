import { once } from 'node:events';
import { mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { expect } from 'chai';
import { chunksOf } from '../../../lib/util/chunks.js';
import { fileWriter } from '../../../lib/util/file-writer.js';

const tick = (): Promise<void> => new Promise((done) => setTimeout(done, 1));

describe('chunks of a stream', () => {
  it('come as they were written, whoever is slow', async () => {
    const written = Array.from({ length: 50 }, (_, i) => Buffer.alloc(10_000 + i, i));
    for (const wait of [false, true]) {
      const seen: Buffer[] = [];
      for await (const chunk of chunksOf(Readable.from(written, { objectMode: false }))) {
        seen.push(chunk);
        if (wait) await tick();
      }
      expect(seen).to.deep.equal(written);
    }
  });

  it('hold the stream back', async () => {
    let given = 0;
    const stream = new Readable({
      read() {
        this.push(given++ < 1000 ? Buffer.alloc(64 * 1024) : null);
      },
    });
    const chunks = chunksOf(stream);
    await chunks.next();
    await tick();
    expect(given).to.be.below(10);
    await chunks.return();
    expect(stream.destroyed).to.equal(true);
  });

  it('end with the failure of the stream, after what came before it', async () => {
    const read = async (stream: Readable): Promise<[number, unknown]> => {
      let count = 0;
      try {
        for await (const _ of chunksOf(stream)) count++;
        return [count, undefined];
      } catch (error) {
        return [count, (error as NodeJS.ErrnoException).code ?? (error as Error).message];
      }
    };
    const failing = new PassThrough();
    failing.write('a');
    const read1 = read(failing);
    await once(failing, 'data');
    failing.destroy(new Error('no more'));
    expect(await read1).to.deep.equal([1, 'no more']);
    const cut = new PassThrough();
    const read2 = read(cut);
    setImmediate(() => cut.destroy());
    expect(await read2).to.deep.equal([0, 'ERR_STREAM_PREMATURE_CLOSE']);
    const gone = new PassThrough();
    gone.destroy();
    await once(gone, 'close');
    expect((await read(gone))[1]).to.equal('ERR_STREAM_PREMATURE_CLOSE');
    const failed = new PassThrough();
    failed.on('error', () => undefined);
    failed.destroy(new Error('before'));
    await new Promise((done) => failed.once('close', done));
    expect(await read(failed)).to.deep.equal([0, 'before']);
  });
});

describe('writer to a file', () => {
  it('writes every byte at its place, and says what the disk says', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'vaina-writer-'));
    try {
      const pieces = Array.from({ length: 70 }, (_, i) => Buffer.alloc(1024 * 1024 - i, i));
      for (const durable of [false, true]) {
        const path = join(directory, String(durable));
        const file = await open(path, 'wx');
        let synced = 0;
        const datasync = file.datasync.bind(file);
        file.datasync = async () => {
          synced++;
          return datasync();
        };
        await pipeline(Readable.from(pieces, { objectMode: false }), fileWriter(file, 3, durable));
        await file.close();
        expect((await readFile(path)).subarray(3).equals(Buffer.concat(pieces)), path).to.equal(true);
        expect(synced > 1, String(synced)).to.equal(durable);
      }
      const bad = await open(join(directory, 'bad'), 'wx');
      let asked = false;
      bad.datasync = async () => {
        if (asked) return;
        asked = true;
        throw Object.assign(new Error('EIO'), { code: 'EIO' });
      };
      const failure = await pipeline(
        Readable.from(pieces, { objectMode: false }),
        fileWriter(bad, 0, true),
      ).catch((error: unknown) => error);
      await bad.close();
      expect(failure).to.have.property('code', 'EIO');
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});
