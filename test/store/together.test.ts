import { existsSync, readdirSync } from 'node:fs';
import { Readable } from 'node:stream';
import { expect } from 'chai';
import { native } from '../../lib/native/index.js';
import { copy } from '../../lib/oci/copy.js';
import { Store } from '../../lib/store/store.js';
import { makeImage } from '../support/images.js';
import { MemorySource } from '../support/memory-source.js';
import { requires } from '../support/requires.js';
import { useBox, idOf, layer } from '../support/store-box.js';

describe('store', function () {
  this.timeout(60_000);
  requires('root');
  const box = useBox();
  it('stops when it is told to, and undoes what it did', async () => {
    const image = await makeImage({ layers: [await layer('a', 'a'.repeat(3_000_000))], compress: 'none' });
    const stop = new AbortController();
    const source = MemorySource.of(image);
    const given = source.blob.bind(source);
    source.blob = async (descriptor) => {
      if (descriptor.size < 1_000_000) return given(descriptor);
      const bytes = image.layers[0]?.bytes ?? Buffer.alloc(0);
      return Readable.from(
        (async function* () {
          yield bytes.subarray(0, 2_000_000);
          setTimeout(() => stop.abort(new Error('enough')), 20);
          await new Promise((done) => setTimeout(done, 60_000).unref());
        })(),
      );
    };
    const start = performance.now();
    const failure: unknown = await box.take(source, [], stop.signal).catch((error: unknown) => error);
    expect(String(failure)).to.include('enough');
    expect(performance.now() - start).to.be.lessThan(2000);
    box.expectEmpty();
  });

  it('waits with what nobody needs while an image is on its way', async () => {
    const [first, second] = [
      await makeImage({ layers: [await layer('a')] }),
      await makeImage({ layers: [await layer('a'), await layer('b')] }),
    ];
    await box.take(MemorySource.of(first));
    const sink = box.store.sink();
    const [descriptor] = first.layers.map((one) => one.descriptor);
    if (!descriptor) throw new Error('unreachable');
    expect(await sink.hasBlob(descriptor)).to.equal(true);
    const other = await Store.open({ root: box.root, runroot: box.runroot, native: native() });
    await other.deleteImage(idOf(first));
    expect(box.store.images.list()).to.deep.equal([]);
    expect(existsSync(box.store.content.pathOf(descriptor.digest))).to.equal(true);
    await copy(MemorySource.of(second), sink);
    expect(box.store.layers.lowerDirectories(idOf(second)).map((tree) => readdirSync(tree)[0])).to.deep.equal(
      ['b', 'a'],
    );
    expect(existsSync(box.store.content.pathOf(first.config.descriptor.digest))).to.equal(false);
    await other.close();
  });

  it('takes the same image from many at once', async () => {
    const image = await makeImage({
      layers: await Promise.all(['a', 'b', 'c', 'd'].map((name) => layer(name, name.repeat(50_000)))),
    });
    const stores = await Promise.all(
      Array.from({ length: 3 }, () => Store.open({ root: box.root, runroot: box.runroot, native: native() })),
    );
    const all = [...stores, box.store].flatMap((store, i) =>
      [0, 1].map((j) => copy(MemorySource.of(image), store.sink({ names: [`localhost/x${i}:${j}`] }))),
    );
    await Promise.all(all);
    expect(box.store.images.list()).to.have.length(1);
    expect(box.store.images.list()[0]?.names).to.have.length(8);
    expect(box.list('layers')).to.have.length(4);
    for (const store of stores) await store.close();
    await box.store.deleteImage(idOf(image));
    box.expectEmpty();
  });
});
