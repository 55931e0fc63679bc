import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import { VainaError } from '../../../lib/errors.js';
import { gzipReader, type GzipReader } from '../../../lib/native/index.js';
import { expandsTooMuch } from '../../../lib/oci/limits.js';
import { LayerPipe } from '../../../lib/store/layer-pipe.js';

const MIB = 1024 * 1024;

describe('a compressed layer', function () {
  this.timeout(60_000);
  const ways: readonly (readonly [string, () => GzipReader | undefined])[] = [
    ['by the streams of Node.js', () => undefined],
    // Without ISA-L it is the same as the first.
    ['by the addon', gzipReader],
  ];
  for (const [name, reader] of ways) {
    it(`is refused early when it grows too much, read ${name}`, async () => {
      const pipe = new LayerPipe('layer', undefined, reader());
      // 64 MiB in 64 KiB: 10 GiB would come of what is offered.
      const member = gzipSync(Buffer.alloc(64 * MIB), { level: 9 });
      let members = 0;
      let failure: unknown;
      try {
        for (; members < 160; members++) await pipe.write(member);
        await pipe.finish();
      } catch (error) {
        failure = error;
      } finally {
        await pipe.destroy();
      }
      expect(VainaError.is(failure, 'ERR_INVALID_LAYER'), String(failure)).to.equal(true);
      expect(String(failure)).to.match(/1 GiB larger than a hundred times its compressed size/);
      expect(members).to.be.lessThan(25);
    });

    it(`is taken when it grows as much as layers do, read ${name}`, async () => {
      const pipe = new LayerPipe('layer', undefined, reader());
      await pipe.write(gzipSync(Buffer.alloc(200 * MIB)));
      const { size } = await pipe.finish();
      await pipe.destroy();
      expect(size).to.equal(200 * MIB);
    });
  }

  it('may become a gibibyte and a hundred times what was read of it', () => {
    expect(expandsTooMuch(0, 1024 * MIB)).to.equal(false);
    expect(expandsTooMuch(0, 1024 * MIB + 1)).to.equal(true);
    expect(expandsTooMuch(50 * MIB, 6024 * MIB)).to.equal(false);
    expect(expandsTooMuch(50 * MIB, 6024 * MIB + 1)).to.equal(true);
  });
});
