import { execFile } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { digestOf } from '../../lib/oci/digest.js';
import type { Digest, ImageConfig, Index, Manifest } from '../../lib/oci/types.js';
import type { ImageStoreTransport } from '../../lib/transports/store.js';
import type { Store } from '../../lib/store/store.js';
import { CORPUS_TAG, digestsOf, type CorpusImage } from './image-corpus.js';

/** The transports that both sides read and write; our store is written by us alone. */
export const TRANSPORTS = ['oci', 'oci-archive', 'docker-archive', 'dir', 'docker', 'vaina'] as const;
export type TransportName = (typeof TRANSPORTS)[number];

const run = promisify(execFile);

/** Output of a program that must succeed; what it says goes into the error. */
export async function output(program: string, args: readonly string[]): Promise<string> {
  const { stdout } = await run(program, [...args], { maxBuffer: 1 << 28, timeout: 280_000 });
  return stdout;
}

/** Copies with skopeo: every image of an index, nothing compressed anew. */
export async function skopeoCopy(from: string, to: string, ...flags: readonly string[]): Promise<void> {
  const registry = [
    ...(from.startsWith('docker://') ? ['--src-tls-verify=false'] : []),
    ...(to.startsWith('docker://') ? ['--dest-tls-verify=false'] : []),
    ...(to.startsWith('oci') ? ['--dest-oci-accept-uncompressed-layers'] : []),
  ];
  await output('skopeo', ['--insecure-policy', 'copy', '--quiet', ...registry, ...flags, from, to]);
}

/** A store of ours as `vaina:` names mean it. */
export function storeTransport(store: Store): ImageStoreTransport {
  return {
    source: async (name) => store.source(store.images.find(name).image.id),
    sink: (name) => store.sink({ names: [name] }),
    remove: async (name) => store.deleteImage(store.images.find(name).image.id),
  };
}

/** Where copies of corpus images are put. */
export class Places {
  readonly #directory: string;
  readonly #host: string;

  constructor(directory: string, host: string) {
    this.#directory = directory;
    this.#host = host;
  }

  /** The name of a copy, by who writes it. */
  of(transport: TransportName, image: string, who: string): string {
    const directory = join(this.#directory, who);
    mkdirSync(directory, { recursive: true });
    const path = join(directory, `${image}.${transport}`);
    switch (transport) {
      case 'oci':
      case 'oci-archive':
        return `${transport}:${path}:${CORPUS_TAG}`;
      case 'docker-archive':
        return `docker-archive:${path}:localhost/${image}:1`;
      case 'dir':
        return `dir:${path}`;
      case 'docker':
        return `docker://${this.#host}/${who}/${image}:1`;
      case 'vaina':
        return `vaina:localhost/${who}/${image}:1`;
    }
  }

  /** A directory for what was read back. */
  back(transport: TransportName, image: string, who: string): string {
    const directory = join(this.#directory, `${who}-back`);
    mkdirSync(directory, { recursive: true });
    return join(directory, `${image}.${transport}`);
  }
}

/**
 * How much of an image is the same: every byte of it; all but the manifest (`blobs`); all but the manifest and the
 * configuration, which says the same (`layers`); the configuration's bytes and the archives in the layers (`config`);
 * or only what the configuration says and the archives (`content`).
 */
export type Sameness = 'bytes' | 'blobs' | 'layers' | 'config' | 'content' | 'nothing';

interface Side {
  config: Digest;
  configuration: ImageConfig;
  layers: readonly Digest[];
  archives: readonly Digest[];
}

/** Tells how much of a corpus image is in a directory that skopeo or we wrote as `dir:`. */
export async function sameness(corpus: CorpusImage, directory: string): Promise<Sameness> {
  const files = new Map<string, Buffer>();
  for (const name of readdirSync(directory))
    if (name !== 'version') files.set(name, readFileSync(join(directory, name)));
  // Whatever it is called by its digest must have it.
  for (const [name, bytes] of files) {
    const hex = name.replace(/\.manifest\.json$/, '');
    if (/^[0-9a-f]{64}$/.test(hex) && digestOf(bytes) !== `sha256:${hex}`)
      throw new Error(`${join(directory, name)} is not what it is called`);
  }
  const digests = new Set<string>([...files.values()].map((bytes) => digestOf(bytes)));
  const wanted = digestsOf(corpus);
  const top = files.get('manifest.json') as Buffer;
  if (
    top.equals(corpus.top.bytes) &&
    wanted.size === digests.size &&
    [...wanted].every((one) => digests.has(one))
  )
    return 'bytes';
  const got = await sidesOf(top, files);
  const expected = corpus.images.slice(0, got.length).map(({ config, layers }): Side => ({
    config: config.descriptor.digest,
    configuration: config.parsed,
    layers: layers.map(({ descriptor }) => descriptor.digest),
    archives: layers.map(({ diffId }) => diffId),
  }));
  if (got.length === 0 || got.length !== expected.length) return 'nothing';
  const same = (what: (side: Side) => unknown): boolean =>
    got.every((side, i) => JSON.stringify(what(side)) === JSON.stringify(what(expected[i] as Side)));
  const config = same((side) => side.config);
  const said = config || same(({ configuration }) => meaning(configuration));
  if (config && same(({ layers }) => layers)) return 'blobs';
  if (said && same(({ layers }) => layers)) return 'layers';
  if (!same(({ archives }) => archives)) return 'nothing';
  return config ? 'config' : said ? 'content' : 'nothing';
}

async function sidesOf(top: Buffer, files: ReadonlyMap<string, Buffer>): Promise<Side[]> {
  const document = JSON.parse(top.toString()) as Partial<Index & Manifest>;
  const hexOf = (digest: Digest): string => digest.slice(digest.indexOf(':') + 1);
  const sides: Side[] = [];
  for (const { digest } of document.manifests ?? []) {
    const below = files.get(`${hexOf(digest)}.manifest.json`);
    if (below) sides.push(...(await sidesOf(below, files)));
  }
  const { config, layers } = document;
  if (config === undefined || layers === undefined) return sides;
  const blob = (digest: Digest): Buffer => {
    const bytes = files.get(hexOf(digest));
    if (!bytes) throw new Error(`the blob ${digest} is missing`);
    return bytes;
  };
  const archives = await Promise.all(layers.map(async ({ digest }) => digestOf(await plain(blob(digest)))));
  const configuration = JSON.parse(blob(config.digest).toString()) as ImageConfig;
  return [
    ...sides,
    { config: config.digest, configuration, layers: layers.map(({ digest }) => digest), archives },
  ];
}

async function plain(bytes: Buffer): Promise<Buffer> {
  if (bytes.readUInt16BE(0) === 0x1f8b) return gunzipSync(bytes);
  if (bytes.readUInt32LE(0) !== 0xfd2fb528) return bytes;
  const child = execFile('zstd', ['-qdc'], { encoding: 'buffer', maxBuffer: 1 << 30 });
  const chunks: Buffer[] = [];
  child.stdout?.on('data', (chunk: Buffer) => chunks.push(chunk));
  child.stdin?.end(bytes);
  await new Promise((done) => child.once('close', done));
  return Buffer.concat(chunks);
}

/** What every program keeps of a configuration when it writes it anew, in one order. */
function meaning({ architecture, os, config, rootfs, history }: ImageConfig): unknown {
  const sorted = Object.entries(config ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  return [architecture, os, sorted, rootfs.diff_ids, history?.map(({ created_by }) => created_by)];
}
