import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import type { ErrorCode } from '../../lib/errors.js';
import { digestOf } from '../../lib/oci/digest.js';
import { expectError } from '../support/containers.js';
import { makeImage, type TestImage } from '../support/images.js';
import { MemorySource } from '../support/memory-source.js';
import { requires } from '../support/requires.js';
import { useBox, layer } from '../support/store-box.js';
import { tar } from '../support/tar-builder.js';

describe('store', function () {
  this.timeout(60_000);
  requires('root');
  const box = useBox();
  /** Makes one blob of an image other than what was announced. */
  const spoil = (
    image: TestImage,
    which: 'config' | number,
    change: (bytes: Buffer) => Buffer,
  ): MemorySource => {
    const source = MemorySource.of(image);
    const { descriptor, bytes } =
      which === 'config' ? image.config : (image.layers[which] as TestImage['layers'][0]);
    source.blobs.set(descriptor.digest, change(bytes));
    return source;
  };
  const flip = (bytes: Buffer, at: number): Buffer => {
    const copy_ = Buffer.from(bytes);
    copy_[at] = (copy_[at] as number) ^ 1;
    return copy_;
  };
  const bad: [string, ErrorCode, () => Promise<MemorySource>][] = [
    [
      'a layer with a wrong byte',
      'ERR_DIGEST_MISMATCH',
      async () => spoil(await two(), 1, (bytes) => flip(bytes, bytes.length - 9)),
    ],
    [
      'a layer with a wrong byte in its header',
      'ERR_DIGEST_MISMATCH',
      async () => spoil(await two(), 1, (bytes) => flip(bytes, 0)),
    ],
    [
      'a layer that is cut',
      'ERR_DIGEST_MISMATCH',
      async () => spoil(await two(), 1, (bytes) => bytes.subarray(0, -5)),
    ],
    [
      'a layer that is too long',
      'ERR_DIGEST_MISMATCH',
      async () => spoil(await two(), 1, (bytes) => Buffer.concat([bytes, bytes])),
    ],
    [
      'a configuration with a wrong byte',
      'ERR_DIGEST_MISMATCH',
      async () => spoil(await two(), 'config', (bytes) => flip(bytes, 5)),
    ],
    [
      'a layer that is no archive',
      'ERR_INVALID_LAYER',
      async () => MemorySource.of(await makeImage({ layers: [Buffer.from('no archive'.repeat(99))] })),
    ],
    [
      'a layer that leads out',
      'ERR_INVALID_LAYER',
      async () =>
        MemorySource.of(
          await makeImage({ layers: [tar({ name: 'l', type: '2', link: '/var/tmp' }, { name: 'l/x' })] }),
        ),
    ],
    [
      'a layer that is compressed twice',
      'ERR_INVALID_LAYER',
      async () => MemorySource.of(await makeImage({ layers: [gzipSync(await layer('a'))] })),
    ],
    [
      'a layer that is not what the configuration says',
      'ERR_DIGEST_MISMATCH',
      async () => {
        const image = await two();
        const other = await makeImage({ layers: [await layer('x'), await layer('y')] });
        const wrong = Buffer.from(
          JSON.stringify({ ...image.config.parsed, rootfs: other.config.parsed.rootfs }),
        );
        const config = { ...image.config.descriptor, digest: digestOf(wrong), size: wrong.length };
        const manifest = Buffer.from(
          JSON.stringify({ ...(JSON.parse(image.manifest.bytes.toString()) as object), config }),
        );
        const source = new MemorySource([image], {
          bytes: manifest,
          descriptor: { ...image.manifest.descriptor, digest: digestOf(manifest), size: manifest.length },
        });
        source.blobs.set(config.digest, wrong);
        return source;
      },
    ],
  ];
  const two = async (): Promise<TestImage> =>
    makeImage({ layers: [await layer('a'), await layer('b', 'b'.repeat(100_000))] });
  for (const [what, code, make] of bad) {
    it(`refuses ${what} and stays as it was`, async () => {
      await expectError(code, box.take(await make(), ['localhost/a:latest']));
      box.expectEmpty();
    });
  }

  it('refuses a layer whose blob is here under another claim', async () => {
    const image = await two();
    await box.take(MemorySource.of(image));
    const make = bad.at(-1)?.[2] as () => Promise<MemorySource>;
    await expectError('ERR_DIGEST_MISMATCH', box.take(await make()));
    expect(box.store.images.list()).to.have.length(1);
    expect(box.list('layers')).to.have.length(2);
  });
});
