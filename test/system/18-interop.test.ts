import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chownSync, linkSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { hexOf } from '../../lib/oci/digest.js';
import { copyImage } from '../../lib/transports/copy-image.js';
import { VainaError } from '../../lib/errors.js';
import {
  CORPUS_NAMES,
  CORPUS_TAG,
  makeCorpus,
  type CorpusImage,
  type CorpusName,
} from '../support/image-corpus.js';
import { treeOfPodman, treeOfStore, treeOfUmoci, type Tree } from '../support/image-trees.js';
import type { TestImage } from '../support/images.js';
import {
  DIFFERENCES,
  differenceOf,
  PODMAN_DIFFERENCES,
  PODMAN_WRITES,
  TREE_DIFFERENCES,
  UNREADABLE,
  type Direction,
  type TreeDifference,
} from '../support/known-differences.js';
import { checkLeftovers } from '../support/leftovers.js';
import {
  output,
  Places,
  sameness,
  skopeoCopy,
  storeTransport,
  TRANSPORTS,
  type TransportName,
} from '../support/peer-copies.js';
import { Podman } from '../support/podman.js';
import { removeDirectory } from '../support/programs.js';
import { startRegistry, type RunningRegistry } from '../support/registry.js';
import { requires } from '../support/requires.js';
import { Box } from '../support/store-box.js';
import { compareTrees } from '../support/trees.js';

/** All images in all places take minutes: `VAINA_LONG=1`. */
const LONG = process.env['VAINA_LONG'] === '1';

const EVERYDAY: readonly CorpusName[] = ['hiding', 'docker', 'mixed', 'four-platforms', 'artifact'];
/** Those that are unpacked by all. */
const TREES: readonly CorpusName[] = LONG ? CORPUS_NAMES.filter((name) => name !== 'artifact') : ['hiding'];
const NAMES = LONG ? CORPUS_NAMES : EVERYDAY;

/** What a user of umoci may do between unpacking and packing. */
function changeTree(root: string): void {
  // By the shell, for the name may be no text.
  execFileSync('sh', ['-c', 'rm -rf -- "$(ls -A | head -n 1)"'], { cwd: root });
  const added = join(root, 'added');
  mkdirSync(added, { mode: 0o750 });
  const path = join(added, 'n'.repeat(140));
  writeFileSync(path, 'added', { mode: 0o640 });
  linkSync(path, join(added, 'hard'));
  symlinkSync('/nowhere', join(added, 'link'));
  chownSync(path, 12, 34);
  execFileSync('setfattr', ['-n', 'user.note', '-v', 'of umoci', path]);
  execFileSync('mknod', [join(added, 'zero'), 'c', '1', '5']);
}

describe('images between us and the peers', function () {
  this.timeout(300_000);
  requires('root', 'skopeo', 'docker-registry', 'podman', 'umoci', 'getfattr', 'mount');
  checkLeftovers();
  let box: Box;
  let directory: string;
  let registry: RunningRegistry;
  let places: Places;
  let options: object;
  const corpus = new Map<string, CorpusImage>();
  const used = new Set<unknown>();
  const imageOf = (name: string): CorpusImage => corpus.get(name) as CorpusImage;

  before(async () => {
    // Podman makes a name of a path, and that must be lower case.
    directory = `/var/tmp/vaina-test-${randomBytes(6).toString('hex')}`;
    mkdirSync(directory, { mode: 0o700 });
    box = new Box(join(directory, 'store'));
    const store = storeTransport(await box.open());
    registry = await startRegistry();
    places = new Places(directory, registry.host);
    const end = { tlsVerify: false };
    options = { insecurePolicy: true, store, source: end, destination: end, acceptUncompressedLayers: true };
    for (const image of await makeCorpus(join(directory, 'corpus'), NAMES)) corpus.set(image.name, image);
  });
  after(async () => {
    await registry.stop();
    await box.close();
    removeDirectory(directory);
  });

  /** Copies with what we are; a place for one image gets that of this host. */
  async function ours(from: string, to: string): Promise<void> {
    const single = /^(docker-archive|vaina):/.test(to) || /^(docker-archive|vaina):/.test(from);
    await copyImage(from, to, { ...options, ...(!single && { all: true }) });
  }

  /** Our store is an OCI layout for everybody. */
  function asPeersSee(place: string): string {
    return place.replace(/^vaina:/, `oci:${box.root}/images:`);
  }

  const DIRECTIONS: Record<Direction, (image: CorpusImage, transport: TransportName) => Promise<string>> = {
    async 'ours, read by skopeo'(image, transport) {
      const place = places.of(transport, image.name, 'ours');
      await ours(image.reference, place);
      const back = places.back(transport, image.name, 'ours');
      await skopeoCopy(
        asPeersSee(place),
        `dir:${back}`,
        ...(transport === 'docker-archive' ? [] : ['--all']),
      );
      return back;
    },
    async 'ours, read by us'(image, transport) {
      const place = places.of(transport, image.name, 'own');
      await ours(image.reference, place);
      const back = places.back(transport, image.name, 'own');
      await ours(place, `dir:${back}`);
      return back;
    },
    async "skopeo's, read by us"(image, transport) {
      const back = places.back(transport, image.name, 'skopeo');
      const place = places.of(transport === 'vaina' ? 'dir' : transport, image.name, `skopeo-${transport}`);
      await skopeoCopy(image.peerReference, place, ...(transport === 'docker-archive' ? [] : ['--all']));
      if (transport !== 'vaina') await ours(place, `dir:${back}`);
      else {
        const stored = places.of('vaina', image.name, 'skopeo');
        await ours(place, stored);
        await ours(stored, `dir:${back}`);
      }
      return back;
    },
  };

  for (const name of NAMES)
    for (const direction of Object.keys(DIRECTIONS) as Direction[])
      it(`${name}: ${direction}`, async () => {
        const image = imageOf(name);
        const lines: string[] = [];
        await Promise.all(
          TRANSPORTS.map(async (transport) => {
            const difference = differenceOf(name, transport, direction);
            const { is = 'bytes' } = difference ?? {};
            const got = await DIRECTIONS[direction](image, transport).then(
              (directory) => sameness(image, directory),
              (error: Error) => error,
            );
            const right = got instanceof Error ? is instanceof RegExp && is.test(got.message) : got === is;
            if (right) used.add(difference);
            else
              lines.push(`${transport}: ${got instanceof Error ? messageOf(got) : got}, not ${String(is)}`);
          }),
        );
        expect(lines, lines.join('\n')).to.deep.equal([]);
      });

  describe('unpacked', () => {
    let podman: Podman;
    let scratch: string;
    before(() => {
      scratch = join(directory, 'trees');
      mkdirSync(scratch);
      podman = new Podman(scratch);
    });
    after(() => podman.dispose());

    /** Our tree: the image goes into our store by its name. */
    async function stored(from: string, name: string): Promise<Tree> {
      await ours(from, `vaina:localhost/unpacked/${name}:1`);
      return treeOfStore(box.store, `localhost/unpacked/${name}:1`, scratch);
    }

    function unexpected(name: string, peer: TreeDifference['peer'], lines: readonly string[]): string[] {
      return lines
        .filter((line) => {
          const known = TREE_DIFFERENCES.find(
            (one) => one.peer === peer && one.images.includes(name as CorpusName) && one.line.test(line),
          );
          used.add(known);
          return known === undefined;
        })
        .map((line) => `${peer}: ${line}`);
    }

    for (const name of TREES) {
      it(`${name}: by umoci and podman out of what we wrote`, async () => {
        const image = imageOf(name);
        const tree = await stored(image.reference, name);
        expect(tree.size).to.be.greaterThan(0);
        const written = places.of('oci', name, 'unpack');
        // Of an index the image for this host: umoci reads no index.
        await copyImage(image.reference, written, options);
        const layout = written.split(':')[1] as string;
        const lines: string[] = [];
        const unreadable = UNREADABLE.find((one) => one.images.includes(name) && one.peer === 'umoci');
        const bundle = join(scratch, `${name}.umoci`);
        await treeOfUmoci(layout, CORPUS_TAG, bundle).then(
          (other) => lines.push(...unexpected(name, 'umoci', compareTrees(tree, other))),
          (error: Error) => {
            if (unreadable?.line.test(error.message)) used.add(unreadable);
            else lines.push(messageOf(error));
          },
        );
        execFileSync('rm', ['-rf', bundle]);
        const id = await pulledByPodman(written);
        expect(id).to.equal(hexOf((image.images[0] as TestImage).config.descriptor.digest));
        lines.push(...unexpected(name, 'podman', compareTrees(tree, treeOfPodman(podman, id))));
        expect(lines, lines.slice(0, 20).join('\n').slice(0, 5000)).to.deep.equal([]);
      });
    }

    for (const name of TREES) {
      it(`${name}: podman reads it from each place, and we what podman writes`, async () => {
        const image = imageOf(name);
        const { config, layers } = image.images[0] as TestImage;
        const lines: string[] = [];
        for (const transport of TRANSPORTS) {
          const place = places.of(transport, name, 'for-podman');
          await copyImage(image.reference, place, options);
          const id = await pulledByPodman(asPeersSee(place)).catch(messageOf);
          if (id !== hexOf(config.descriptor.digest)) lines.push(`podman reads ${transport} as ${id}`);
        }
        const diffIds = `${layers.map(({ diffId }) => diffId).join('\n')}\n`;
        const id = hexOf(config.descriptor.digest);
        const format = '{{range .RootFS.Layers}}{{println .}}{{end}}';
        expect(podman.output('image', 'inspect', '--format', format, id)).to.equal(`${diffIds}\n`);
        const stored = { ...image, top: (image.images[0] as TestImage).manifest };
        for (const how of PODMAN_WRITES) {
          const known = PODMAN_DIFFERENCES.find((one) => one.images.includes(name) && one.how.includes(how));
          const { is = 'config' } = known ?? {};
          const got = await readFromPodman(name, id, how).then(
            (back) => sameness(stored, back),
            (error: Error) => error,
          );
          // Podman remembers what it pulled from this registry, and may push the compressed layers that it knows there.
          const remembered = how === 'push' && (got === 'bytes' || got === 'blobs');
          const right =
            got instanceof Error ? is instanceof RegExp && is.test(got.message) : got === is || remembered;
          if (right) used.add(known);
          else lines.push(`podman writes ${how}: ${String(got)}, not ${String(is)}`);
        }
        expect(lines, lines.join('\n')).to.deep.equal([]);
      });
    }

    async function readFromPodman(name: string, id: string, how: string): Promise<string> {
      const place = await writtenByPodman(name, id, how);
      const back = places.back('dir', `${name}-${how}`, 'podman');
      await ours(place, `dir:${back}`);
      return back;
    }

    async function writtenByPodman(name: string, id: string, how: string): Promise<string> {
      if (how === 'push') {
        const place = places.of('docker', name, 'podman');
        await output('podman', podman.arguments('push', '--quiet', '--tls-verify=false', id, place));
        return place;
      }
      const path = join(scratch, `${name}.${how}`);
      await output('podman', podman.arguments('save', '--quiet', '--format', how, '-o', path, id));
      return `${how.replace('oci-dir', 'oci').replace('docker-dir', 'dir')}:${path}`;
    }

    for (const name of TREES.filter((one) => !UNREADABLE.some(({ images }) => images.includes(one)))) {
      // A gigabyte of zeros is not sparse any more when umoci has packed it.
      if (name === 'sparse') continue;
      it(`${name}: we unpack what umoci adds to it`, async () => {
        const written = places.of('oci', name, 'for-umoci');
        await copyImage(imageOf(name).reference, written, options);
        const layout = written.split(':')[1] as string;
        const bundle = join(scratch, `${name}.changed`);
        await output('umoci', ['unpack', '--image', `${layout}:${CORPUS_TAG}`, bundle]);
        changeTree(join(bundle, 'rootfs'));
        await output('umoci', ['repack', '--image', `${layout}:changed`, bundle]);
        execFileSync('rm', ['-rf', bundle]);
        const tree = await stored(`oci:${layout}:changed`, `${name}-changed`);
        const other = await treeOfUmoci(layout, 'changed', bundle);
        execFileSync('rm', ['-rf', bundle]);
        expect([...tree.keys()]).to.include('/added/hard');
        const lines = unexpected(name, 'umoci', compareTrees(tree, other));
        expect(lines, lines.slice(0, 20).join('\n').slice(0, 5000)).to.deep.equal([]);
      });
    }

    async function pulledByPodman(place: string): Promise<string> {
      const tls = place.startsWith('docker://') ? ['--tls-verify=false'] : [];
      return (await output('podman', podman.arguments('pull', '--quiet', ...tls, place))).trim();
    }
  });

  describe('all of this', () => {
    it('differs in no other way than is known', () => {
      const unused = (all: readonly { images: readonly CorpusName[] }[], names: readonly CorpusName[]) =>
        all.filter((one) => one.images.some((name) => names.includes(name)) && !used.has(one));
      expect(unused(DIFFERENCES, NAMES)).to.deep.equal([]);
      expect(unused([...TREE_DIFFERENCES, ...UNREADABLE, ...PODMAN_DIFFERENCES], TREES)).to.deep.equal([]);
    });
  });
});

function messageOf(error: Error): string {
  const text = VainaError.is(error) ? `${error.code}: ${error.message}` : error.message;
  // A command that failed says much before it says why.
  return text.replace(/^Command failed.*\n/, '').slice(0, 400);
}
