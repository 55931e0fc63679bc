import { randomBytes } from 'node:crypto';
import { gunzipSync, gzipSync } from 'node:zlib';
import { expect } from 'chai';
import { gzipReader } from '../../../lib/native/index.js';

/** What the reader makes of a stream that comes in such pieces, with so much room for what comes out. */
function read(bytes: Buffer, piece: number, room: number): Buffer {
  const reader = gzipReader();
  if (!reader) throw new Error('the addon was built without ISA-L');
  const output = Buffer.alloc(room);
  const parts: Buffer[] = [];
  for (let begin = 0; begin < bytes.length; begin += piece) {
    const input = bytes.subarray(begin, begin + piece);
    for (let at = 0, full = false; at < input.length || full;) {
      const [taken, given] = reader.step(input.subarray(at), output);
      at += taken;
      full = given === room;
      parts.push(Buffer.from(output.subarray(0, given)));
    }
  }
  if (!reader.complete()) throw new Error('cut off');
  return Buffer.concat(parts);
}

function outcome(work: () => Buffer): string {
  try {
    return work().toString('latin1');
  } catch {
    return 'refused';
  }
}

describe('GzipReader', function () {
  this.timeout(20_000);
  before(function () {
    // libisal-dev was not installed when the addon was built.
    if (!gzipReader()) this.skip();
  });
  const noise = randomBytes(70_000);
  const words = Buffer.from('the same words again and again, '.repeat(4000));
  const CASES: Readonly<Record<string, Buffer>> = {
    noise: gzipSync(noise),
    words: gzipSync(words),
    stored: gzipSync(words, { level: 0 }),
    'a fixed code': gzipSync(words, { strategy: 4 }),
    nothing: gzipSync(Buffer.alloc(0)),
    members: Buffer.concat([gzipSync(noise), gzipSync(Buffer.alloc(0)), gzipSync(words)]),
    padding: Buffer.concat([gzipSync(words), Buffer.alloc(700)]),
  };

  for (const [name, packed] of Object.entries(CASES)) {
    it(`reads ${name} as zlib does, however it is cut`, () => {
      const plain = gunzipSync(packed);
      for (const piece of [1, 13, 4096, 65_536, packed.length]) {
        for (const room of [97, 65_536, 1 << 20])
          expect(read(packed, piece, room).equals(plain), `${piece} ${room}`).to.equal(true);
      }
    });
  }

  it('refuses what is damaged or cut wherever zlib does', () => {
    const packed = CASES['members'] as Buffer;
    for (let i = 0; i < 200; i++) {
      const damaged = Buffer.from(packed);
      const at = Math.floor((i / 200) * packed.length);
      damaged[at] = (damaged[at] as number) ^ (1 << (i % 8));
      for (const bytes of [damaged, packed.subarray(0, at)])
        expect(
          outcome(() => read(bytes, 5000, 65_536)) === outcome(() => gunzipSync(bytes)),
          `${at}`,
        ).to.equal(true);
    }
  });

  it('takes nothing but bytes', () => {
    const reader = gzipReader() as unknown as { step(...values: unknown[]): void };
    for (const junk of [undefined, null, 1, 'x', {}, []]) {
      expect(() => reader.step(junk, Buffer.alloc(1))).to.throw(TypeError);
      expect(() => reader.step(Buffer.alloc(1), junk)).to.throw(TypeError);
    }
  });
});
