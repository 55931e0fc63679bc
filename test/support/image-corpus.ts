import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MEDIA } from '../../lib/oci/mediatypes.js';
import type { Descriptor, Digest, Index, Manifest } from '../../lib/oci/types.js';
import {
  blobsOf,
  descriptorOf,
  layoutEntries,
  makeImage,
  makeIndex,
  writeTree,
  type TarEntry as TreeEntry,
  type TestImage,
} from './images.js';
import { packOddTree } from './odd-tree.js';
import { tar, type TarEntry } from './tar-builder.js';

/** The name of each image in its layout. */
export const CORPUS_TAG = 'image';

/** What a corpus image is made of. */
interface Made {
  top: { bytes: Buffer; descriptor: Descriptor };
  /** Images of it, that of this host first; none of an artifact. */
  images: readonly TestImage[];
  /** Further blobs of the layout. */
  blobs?: readonly Buffer[];
  /** Further entries of `index.json`. */
  entries?: readonly Descriptor[];
}

/** An image of the corpus, on disk. */
export interface CorpusImage extends Made {
  name: string;
  /** The directory of its OCI layout. */
  layout: string;
  /** `oci:LAYOUT:image`. */
  reference: string;
  /** The same for the peers: images with Docker's media types, which they do not find in a layout, are a `dir:`. */
  peerReference: string;
}

const dir = (name: string, more: Partial<TarEntry> = {}): TarEntry => ({
  name: `${name}/`,
  type: '5',
  ...more,
});
const file = (
  name: string | Buffer,
  content: string | Buffer = '',
  more: Partial<TarEntry> = {},
): TarEntry => ({
  name,
  content,
  ...more,
});
const link = (name: string, target: string): TarEntry => ({ name, type: '2', link: target, mode: 0o777 });
const hard = (name: string, target: string): TarEntry => ({ name, type: '1', link: target });

/** Text that compresses, but not to nothing. */
function words(seed: number, count: number): string {
  let state = seed + 1;
  let text = '';
  for (let i = 0; i < count; i++) {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    text += `${state.toString(36)}${i % 9 === 8 ? '\n' : ' '}`;
  }
  return text;
}

const small = (seed: number): Buffer =>
  tar(dir('data'), file(`data/${seed}`, words(seed, 400)), file('data/last', `${seed}\n`, { mode: 0o600 }));

/** An image with another manifest than {@link makeImage} gives it. */
function remade(image: TestImage, change: (manifest: Manifest) => object): TestImage {
  const manifest = JSON.parse(image.manifest.bytes.toString()) as Manifest;
  const { mediaType } = image.manifest.descriptor;
  // The whitespace is on purpose: whoever writes the document anew loses it.
  const bytes = Buffer.from(`${JSON.stringify(change(manifest), undefined, 3)}\n`);
  return { ...image, manifest: { bytes, descriptor: descriptorOf(bytes, mediaType) } };
}

const one = (image: TestImage): Made => ({ top: image.manifest, images: [image] });

/** Layers that hide what is below them: files, directories, links, what comes back, and opaque directories. */
function hiding(): Buffer[] {
  const lower = tar(
    dir('etc'),
    file('etc/kept', 'kept'),
    file('etc/gone', 'gone'),
    file('etc/changed', 'old', { mode: 0o644 }),
    link('etc/link', 'kept'),
    dir('full'),
    ...Array.from({ length: 20 }, (_, i) => file(`full/${i}`, `full ${i}`)),
    dir('full/below'),
    file('full/below/deep', 'deep'),
    dir('removed'),
    file('removed/file', 'removed'),
    dir('kind'),
    file('kind/file', 'a file'),
    dir('kind/directory'),
    file('kind/directory/in', 'in'),
  );
  const middle = tar(
    dir('etc', { mtime: 1_600_000_000 }),
    file('etc/.wh.gone'),
    file('etc/.wh.link'),
    file('etc/changed', 'new and longer', { mode: 0o640, uid: 5, gid: 6 }),
    dir('full', { mode: 0o750 }),
    file('full/.wh..wh..opq'),
    file('full/new', 'new'),
    file('.wh.removed'),
    dir('kind'),
    dir('kind/file'),
    file('kind/file/in', 'now a directory'),
    file('kind/directory', 'now a file'),
  );
  const upper = tar(
    dir('etc', { mtime: 1_650_000_000 }),
    file('etc/gone', 'back again'),
    dir('full', { mode: 0o755 }),
    file('full/.wh.new'),
    dir('removed', { mode: 0o711 }),
    file('removed/other', 'other'),
  );
  return [lower, middle, upper];
}

/** One file with 120 names, each of more than 100 bytes. */
function manyNames(): Buffer {
  const deep = `${'a-directory-with-a-long-name/'.repeat(4)}`;
  const first = `${deep}${'n'.repeat(60)}-first`;
  const parts = deep.split('/').slice(0, -1);
  return tar(
    ...parts.map((_, i) => dir(parts.slice(0, i + 1).join('/'))),
    file(first, words(3, 2000), { mode: 0o755 }),
    ...Array.from({ length: 120 }, (_, i) => hard(`${deep}${'n'.repeat(60)}-${i}`, first)),
    link(`${deep}symbolic`, 'x'.repeat(180)),
    hard(`${deep}symbolic-again`, `${deep}symbolic`),
  );
}

/** Names in latin1, of bytes that are no text, and of what looks like text in two ways. */
function bytesAsNames(): Buffer {
  return tar(
    file(Buffer.from('caf\xe9', 'latin1'), 'latin1'),
    file(Buffer.from([0xff, 0xfe, 0x80]), 'bytes'),
    { ...dir('x'), name: Buffer.from([0xc3, 0x28, 0x2f]) },
    file(Buffer.from([0xc3, 0x28, 0x2f, 0xa0]), 'below'),
    file(Buffer.from('\u00e9', 'utf8'), 'composed'),
    file(Buffer.from('e\u0301', 'utf8'), 'decomposed'),
    { name: 'link', type: '2', link: Buffer.from([0xff, 0xfe, 0x80]), mode: 0o777 },
    file('with space and\ttab', 'white'),
  );
}

function crowded(): Buffer {
  return tar(dir('many'), ...Array.from({ length: 10_000 }, (_, i) => file(`many/file-${i}`, `${i}`)));
}

/** A file that says it has 1 GiB, with three pieces in it, packed by GNU tar. */
function sparse(directory: string): Buffer {
  const root = join(directory, 'sparse-root');
  mkdirSync(root);
  const path = join(root, 'sparse');
  writeFileSync(path, 'begin');
  truncateSync(path, 2 ** 30);
  for (const [text, at] of [
    ['middle', 500_000_000],
    ['end', 2 ** 30 - 3],
  ] as const)
    execFileSync('dd', [`of=${path}`, 'bs=1', `seek=${at}`, 'conv=notrunc', 'status=none'], { input: text });
  const archive = join(directory, 'sparse.tar');
  execFileSync('tar', ['-C', root, '--numeric-owner', '--format=pax', '--sparse', '-cf', archive, 'sparse']);
  const bytes = readFileSync(archive);
  rmSync(root, { recursive: true });
  return bytes;
}

async function platforms(docker: boolean, names: readonly string[]): Promise<TestImage[]> {
  return Promise.all(
    names.map((name, i) => {
      const [architecture = '', variant] = name.split('/');
      const platform = { os: 'linux', architecture, ...(variant !== undefined && { variant }) };
      return makeImage({ docker, platform, layers: [small(100), small(101 + i)] });
    }),
  );
}

async function nested(): Promise<Made> {
  const images = await platforms(false, ['amd64', 'arm64', 's390x']);
  const inner = makeIndex(images.slice(1));
  const outer: Index = {
    schemaVersion: 2,
    mediaType: MEDIA.ociIndex,
    manifests: [
      ...(JSON.parse(makeIndex(images.slice(0, 1)).bytes.toString()) as Index).manifests,
      inner.descriptor,
    ],
    annotations: { 'org.example.nested': 'yes' },
  };
  const bytes = Buffer.from(JSON.stringify(outer));
  return { top: { bytes, descriptor: descriptorOf(bytes, MEDIA.ociIndex) }, images, blobs: [inner.bytes] };
}

/** Something that is no container image, and refers to one which lies in the same layout. */
async function artifact(): Promise<Made> {
  const subject = await makeImage({ layers: [small(1)] });
  const empty = Buffer.from('{}');
  const layers = [Buffer.from('{"predicate":1}\n'), Buffer.from([0, 1, 2, 3, 255])];
  const document = {
    schemaVersion: 2,
    mediaType: MEDIA.ociManifest,
    artifactType: 'application/vnd.example.statement',
    config: descriptorOf(empty, MEDIA.ociEmpty),
    layers: [
      {
        ...descriptorOf(layers[0] as Buffer, 'application/vnd.in-toto+json'),
        annotations: { 'org.example.a': 'b' },
      },
      descriptorOf(layers[1] as Buffer, 'application/x-unknown'),
    ],
    subject: subject.manifest.descriptor,
    annotations: { 'org.opencontainers.image.created': '2026-01-02T03:04:05Z' },
  };
  const bytes = Buffer.from(JSON.stringify(document));
  return {
    top: { bytes, descriptor: descriptorOf(bytes, MEDIA.ociManifest) },
    images: [],
    blobs: [empty, ...layers, ...blobsOf(subject)],
    entries: [subject.manifest.descriptor],
  };
}

/** Annotations, members that nobody knows, a platform in the manifest's configuration, whitespace. */
async function annotated(): Promise<Made> {
  const plain = await makeImage({
    layers: [small(1), small(2)],
    config: {
      Labels: { 'org.example': 'ü "quoted" <&>', empty: '' },
      Entrypoint: ['/bin/sh', '-c', 'true'],
      ExposedPorts: { '80/tcp': {} },
      Volumes: { '/data': {} },
      StopSignal: 'SIGQUIT',
      User: '1000:1000',
    },
  });
  return one(
    remade(plain, (manifest) => ({
      ...manifest,
      layers: manifest.layers.map((layer, i) => ({
        ...layer,
        annotations: { 'org.example.layer': String(i) },
      })),
      annotations: { 'org.opencontainers.image.title': 'ü <&>', 'org.example': '' },
      'org.example.unknown': { of: ['nobody'] },
    })),
  );
}

const count = (length: number): number[] => Array.from({ length }, (_, i) => i);

/** How each image is made, by its name. */
const MAKERS = {
  'one-layer': async () => one(await makeImage({ layers: [small(1)] })),
  'forty-layers': async () => one(await makeImage({ layers: count(40).map(small) })),
  'no-layer-twice': async () =>
    one(await makeImage({ layers: [small(1), tar(), small(2), tar(), small(1)] })),
  zstd: async () => one(await makeImage({ layers: [small(1), small(2)], compress: 'zstd' })),
  uncompressed: async () => one(await makeImage({ layers: [small(1), small(2)], compress: 'none' })),
  mixed: async () => one(await mixed()),
  docker: async () => one(await makeImage({ layers: [small(1), small(2)], docker: true })),
  'docker-list': async () => {
    const images = await platforms(true, ['amd64', 'arm64/v8']);
    return { top: makeIndex(images, true), images };
  },
  'four-platforms': async () => {
    const images = await platforms(false, ['amd64', 'arm64', 'arm/v7', '386']);
    return { top: makeIndex(images), images };
  },
  nested,
  artifact,
  annotated,
  hiding: async () => one(await makeImage({ layers: hiding() })),
  'many-names': async () => one(await makeImage({ layers: [manyNames(), small(1)] })),
  odd: async (directory: string) =>
    one(await makeImage({ layers: [readFileSync(packOddTree(directory, 'pax'))] })),
  'bytes-as-names': async () => one(await makeImage({ layers: [bytesAsNames()] })),
  crowded: async () => one(await makeImage({ layers: [crowded()] })),
  sparse: async (directory: string) => one(await makeImage({ layers: [sparse(directory)] })),
} satisfies Record<string, (directory: string) => Promise<Made>>;

/** The name of an image of the corpus. */
export type CorpusName = keyof typeof MAKERS;

/** All of them. */
export const CORPUS_NAMES = Object.keys(MAKERS) as CorpusName[];

/** A layer of each compression. */
async function mixed(): Promise<TestImage> {
  const [gzip, zstd, none] = await Promise.all(
    (['gzip', 'zstd', 'none'] as const).map((compress) =>
      makeImage({ layers: count(3).map(small), compress }),
    ),
  );
  const layers = [gzip, zstd, none].map((image, i) => image?.layers[i] as TestImage['layers'][number]);
  const image = remade(gzip as TestImage, (manifest) => ({
    ...manifest,
    layers: layers.map(({ descriptor }) => descriptor),
  }));
  return { ...image, layers };
}

/** Makes images of the corpus, each as an OCI layout below a directory. */
export async function makeCorpus(
  directory: string,
  names: readonly CorpusName[] = CORPUS_NAMES,
): Promise<CorpusImage[]> {
  const corpus: CorpusImage[] = [];
  for (const name of names) {
    const made: Made = await MAKERS[name](directory);
    const layout = join(directory, name);
    const blobs = [...made.images.flatMap(blobsOf), made.top.bytes, ...(made.blobs ?? [])];
    const entries = [
      { descriptor: made.top.descriptor, name: CORPUS_TAG },
      ...(made.entries ?? []).map((descriptor) => ({ descriptor })),
    ];
    writeTree(layout, layoutEntries(entries, blobs));
    const reference = `oci:${layout}:${CORPUS_TAG}`;
    const docker = made.top.descriptor.mediaType.includes('docker');
    if (docker) writeTree(`${layout}.dir`, directoryEntries(made));
    const peerReference = docker ? `dir:${layout}.dir` : reference;
    corpus.push({ ...made, name, layout, reference, peerReference });
  }
  return corpus;
}

/** The files of a `dir:` (containers-transports(5)). */
function directoryEntries({ top, images }: Made): TreeEntry[] {
  const nameOf = ({ digest }: Descriptor): string => digest.slice('sha256:'.length);
  return [
    { name: 'version', content: 'Directory Transport Version: 1.1\n' },
    { name: 'manifest.json', content: top.bytes },
    ...images.flatMap(({ manifest, config, layers }) => [
      { name: `${nameOf(manifest.descriptor)}.manifest.json`, content: manifest.bytes },
      ...[config, ...layers].map(({ descriptor, bytes }) => ({ name: nameOf(descriptor), content: bytes })),
    ]),
  ];
}

/** Every digest that a corpus image is made of: manifests, configurations, layers. */
export function digestsOf(corpus: CorpusImage): Set<Digest> {
  const digests = new Set<Digest>([corpus.top.descriptor.digest]);
  const documents: Buffer[] = [corpus.top.bytes];
  const below = new Map(
    [...corpus.images.map(({ manifest }) => manifest.bytes), ...(corpus.blobs ?? [])].map((bytes) => [
      descriptorOf(bytes, '').digest,
      bytes,
    ]),
  );
  for (let bytes = documents.pop(); bytes; bytes = documents.pop()) {
    const { manifests = [], config, layers = [] } = JSON.parse(bytes.toString()) as Partial<Index & Manifest>;
    for (const { digest } of [...layers, ...(config ? [config] : [])]) digests.add(digest);
    for (const { digest } of manifests) {
      digests.add(digest);
      documents.push(below.get(digest) as Buffer);
    }
  }
  return digests;
}
