import { execFileSync } from 'node:child_process';
import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import fc from 'fast-check';
import { compressor, decompressor, detectCompression } from '../../../lib/oci/compression.js';

async function through(bytes: Buffer, ...parts: NodeJS.ReadWriteStream[]): Promise<Buffer> {
  const chunks: Buffer[] = [];
  const end = new Writable({
    write(chunk: Buffer, _encoding, done) {
      chunks.push(chunk);
      done();
    },
  });
  const source = Readable.from([bytes.subarray(0, 7), bytes.subarray(7)], { objectMode: false });
  await pipeline([source, ...parts, end]);
  return Buffer.concat(chunks);
}

const zstd = (bytes: Buffer): Buffer => execFileSync('zstd', ['-qc'], { input: bytes });

/** A frame that decoders of zstd pass over (RFC 8878, 3.1.2), as zstd:chunked puts its table of contents. */
function skippable(content: Buffer): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt32LE(0x184d2a50, 0);
  head.writeUInt32LE(content.length, 4);
  return Buffer.concat([head, content]);
}

describe('oci compression', () => {
  const plain = Buffer.from('the first half, and the second half of a layer');
  const halves = [plain.subarray(0, 20), plain.subarray(20)] as const;

  it('reads zstd:chunked as zstd: frames in a row, and some to pass over', async () => {
    const chunked = Buffer.concat([
      ...halves.map(zstd),
      skippable(Buffer.from('table of contents')),
      skippable(Buffer.alloc(64, 'footer')),
    ]);
    expect(detectCompression(chunked)).to.equal('zstd');
    expect((await through(chunked, decompressor('zstd', 'layer'))).equals(plain)).to.equal(true);
  });

  it('reads eStargz as gzip: members in a row, the last one empty', async () => {
    const stargz = Buffer.concat([...halves.map((half) => gzipSync(half)), gzipSync(Buffer.alloc(0))]);
    expect(detectCompression(stargz)).to.equal('gzip');
    expect((await through(stargz, decompressor('gzip', 'layer'))).equals(plain)).to.equal(true);
  });

  for (const how of ['gzip', 'zstd'] as const) {
    it(`gives back what it has compressed with ${how}, the same each time`, async function () {
      this.timeout(20_000);
      const property = fc.asyncProperty(
        fc.uint8Array({ maxLength: 5000 }),
        fc.integer({ min: 1, max: 9 }),
        async (data, level) => {
          const bytes = Buffer.from(data);
          const packed = await through(bytes, compressor(how, 'layer', level));
          expect(detectCompression(packed)).to.equal(how);
          expect(packed.equals(await through(bytes, compressor(how, 'layer', level)))).to.equal(true);
          expect((await through(packed, decompressor(how, 'layer'))).equals(bytes)).to.equal(true);
        },
      );
      await fc.assert(property, { numRuns: 10 });
    });
  }

  it('has no time and no name in what it compresses with gzip', async () => {
    const packed = await through(plain, compressor('gzip', 'layer'));
    expect([...packed.subarray(3, 8)]).to.deep.equal([0, 0, 0, 0, 0]);
  });
});
