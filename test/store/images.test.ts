import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { expectError } from '../support/containers.js';
import { makeImage, makeIndex } from '../support/images.js';
import { MemorySource } from '../support/memory-source.js';
import { requires } from '../support/requires.js';
import { Box, useBox, idOf, layer, requireProgram } from '../support/store-box.js';

describe('store', function () {
  this.timeout(60_000);
  requires('root');
  const box = useBox();
  it('takes an image in, shows it to other programs, and forgets it', async () => {
    requireProgram('skopeo');
    const image = await makeImage({
      layers: [await layer('a'), await layer('b')],
      config: { Labels: { a: 'b' } },
    });
    const docker = await makeImage({ layers: [await layer('c')], docker: true });
    await box.take(MemorySource.of(image), ['localhost/one:1', 'docker.io/library/one:latest']);
    await box.take(MemorySource.of(docker), ['localhost/two:latest']);
    const { image: found } = box.store.images.find('one');
    expect(found.id).to.equal(idOf(image));
    const trees = box.store.layers.lowerDirectories(found.id);
    expect(trees.map((tree) => readdirSync(tree))).to.deep.equal([['b'], ['a']]);
    expect(statSync(trees[0] ?? '').mode & 0o7777).to.equal(0o555);
    for (const [name, one] of [
      ['localhost/one:1', image],
      ['localhost/two:latest', docker],
    ] as const) {
      const inspected = JSON.parse(
        execFileSync('skopeo', ['inspect', `oci:${box.root}/images:${name}`], { encoding: 'utf8' }),
      ) as {
        Digest: string;
        Layers: string[];
      };
      // Docker's manifests are there in OCI's types.
      if (one === image) expect(inspected.Digest).to.equal(one.manifest.descriptor.digest);
      expect(inspected.Layers).to.deep.equal(one.layers.map(({ descriptor }) => descriptor.digest));
    }
    execFileSync('skopeo', [
      'copy',
      '-q',
      `oci:${box.root}/images:localhost/one:1`,
      `dir:${box.directory}/copy`,
    ]);
    await box.store.deleteImage(found.id);
    await box.store.deleteImage(idOf(docker));
    box.expectEmpty();
    expect(readFileSync(join(box.root, 'images/index.json'), 'utf8')).to.include('"manifests":[]');
  });

  it('gives out what it took in', async () => {
    const image = await makeImage({ layers: [await layer('a'), await layer('b')] });
    const index = makeIndex([image]);
    await box.take(new MemorySource([image], index), ['localhost/one:1']);
    const again = new Box();
    await again.open();
    await again.take(box.store.source(idOf(image)), ['localhost/two:1']);
    expect(again.store.images.find('two:1').image.digest).to.equal(image.manifest.descriptor.digest);
    expect((await box.store.source(idOf(image)).manifest(index.descriptor.digest)).bytes).to.deep.equal(
      index.bytes,
    );
    await again.close();
  });

  it('keeps what images share, once, until the last of them goes', async () => {
    const [base, one, two] = [await layer('base'), await layer('one'), await layer('two')];
    const first = await makeImage({ layers: [base, one] });
    const second = await makeImage({ layers: [base, two] });
    // The same layers in another order are other layers: unpacked from what is here already.
    const third = await makeImage({ layers: [one, base] });
    for (const image of [first, second, third]) await box.take(MemorySource.of(image));
    expect(box.list('layers')).to.have.length(5);
    expect(box.store.content.list()).to.have.length(3 + 3 + 3);
    const source = MemorySource.of(first);
    await box.take(source);
    expect(source.asked.filter((what) => what.startsWith('blob'))).to.have.length(1);
    await box.store.deleteImage(idOf(first));
    expect(box.list('layers')).to.have.length(4);
    expect(box.store.layers.lowerDirectories(idOf(second)).map((tree) => readdirSync(tree)[0])).to.deep.equal(
      ['two', 'base'],
    );
    await box.store.deleteImage(idOf(second));
    await box.store.deleteImage(idOf(third));
    box.expectEmpty();
  });

  it('does not delete an image that a container needs', async () => {
    const image = await makeImage();
    await box.take(MemorySource.of(image), ['localhost/a:latest']);
    box.store.containers.insert({
      id: 'c'.repeat(64),
      name: 'c',
      imageId: idOf(image),
      record: {},
      state: {},
    });
    const error = await expectError('ERR_IN_USE', box.store.deleteImage(idOf(image)));
    expect(error.message).to.include('used by c');
    expect(box.store.images.find('a').image.names).to.deep.equal(['localhost/a:latest']);
    box.store.containers.delete('c'.repeat(64));
    await box.store.deleteImage(idOf(image));
    box.expectEmpty();
    await expectError('ERR_NO_SUCH_IMAGE', box.store.deleteImage(idOf(image)));
  });

  it('lets nobody else in', () => {
    for (const path of ['', 'layers', 'images', 'tmp', 'containers']) {
      expect(statSync(join(box.root, path)).mode & 0o777, path).to.equal(0o700);
    }
    expect(statSync(join(box.runroot, 'locks')).mode & 0o777).to.equal(0o700);
  });
});
