import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { pack as packDirectory } from 'tar-fs';
import { pack } from 'tar-stream';
import { algorithmOf, digestOf, hexOf } from '../../lib/oci/digest.js';
import { MEDIA } from '../../lib/oci/mediatypes.js';
import type {
  Descriptor,
  Digest,
  ImageConfig,
  ImageRuntimeConfig,
  Index,
  Manifest,
  Platform,
} from '../../lib/oci/types.js';
import { makeBusyboxRoot } from './programs.js';

/** An image in memory: everything that a registry or archive of it holds. */
export interface TestImage {
  manifest: { bytes: Buffer; descriptor: Descriptor };
  config: { bytes: Buffer; descriptor: Descriptor; parsed: ImageConfig };
  layers: TestLayer[];
}

export interface TestLayer {
  bytes: Buffer;
  plain: Buffer;
  descriptor: Descriptor;
  diffId: Digest;
}

export interface TestImageOptions {
  /** One archive for each layer. Default: one with a file `hello`. */
  layers?: readonly Buffer[];
  compress?: 'none' | 'gzip' | 'zstd';
  /** Docker's media types instead of OCI's. */
  docker?: boolean;
  platform?: Platform;
  config?: ImageRuntimeConfig;
}

/** An entry of {@link tarOf}. */
export interface TarEntry {
  name: string;
  content?: string | Buffer;
  type?: 'file' | 'directory' | 'symlink' | 'link';
  linkname?: string;
  mode?: number;
}

/** A tar archive in memory. */
export async function tarOf(entries: readonly TarEntry[]): Promise<Buffer> {
  const archive = pack();
  for (const { content, name, type, linkname, mode } of entries) {
    const header = {
      name,
      mtime: new Date(0),
      ...(type && { type }),
      ...(linkname !== undefined && { linkname }),
    };
    archive.entry({ ...header, mode: mode ?? (type === 'directory' ? 0o755 : 0o644) }, content ?? '');
  }
  archive.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of archive as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Makes an image of layers. */
export async function makeImage(options: TestImageOptions = {}): Promise<TestImage> {
  const { compress = 'gzip', docker = false } = options;
  const plains = options.layers ?? [await tarOf([{ name: 'hello', content: 'hello from the image\n' }])];
  const layers = plains.map((plain): TestLayer => {
    const bytes = compressed(plain, compress);
    return {
      bytes,
      plain,
      diffId: digestOf(plain),
      descriptor: descriptorOf(bytes, layerType(compress, docker)),
    };
  });
  const parsed: ImageConfig = {
    created: '2026-01-02T03:04:05Z',
    ...(options.platform ?? { os: 'linux', architecture: goArchitecture() }),
    config: { Cmd: ['/bin/sh'], Env: ['PATH=/bin'], ...options.config },
    rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
    history: layers.map((_, i) => ({ created: '2026-01-02T03:04:05Z', created_by: `layer ${i}` })),
  };
  const configBytes = Buffer.from(JSON.stringify(parsed));
  const config = descriptorOf(configBytes, docker ? MEDIA.dockerConfig : MEDIA.ociConfig);
  const mediaType = docker ? MEDIA.dockerManifest : MEDIA.ociManifest;
  const manifest: Manifest = {
    schemaVersion: 2,
    mediaType,
    config,
    layers: layers.map(({ descriptor }) => descriptor),
  };
  const bytes = Buffer.from(JSON.stringify(manifest));
  return {
    manifest: { bytes, descriptor: descriptorOf(bytes, mediaType) },
    config: { bytes: configBytes, descriptor: config, parsed },
    layers,
  };
}

/** An index over images, in their order. */
export function makeIndex(
  images: readonly TestImage[],
  docker = false,
): { bytes: Buffer; descriptor: Descriptor } {
  const mediaType = docker ? MEDIA.dockerList : MEDIA.ociIndex;
  const manifests = images.map(({ manifest, config }): Descriptor => {
    const { os, architecture, variant } = config.parsed;
    return {
      ...manifest.descriptor,
      platform: { os, architecture, ...(variant !== undefined && { variant }) },
    };
  });
  const index: Index = { schemaVersion: 2, mediaType, manifests };
  const bytes = Buffer.from(JSON.stringify(index));
  return { bytes, descriptor: descriptorOf(bytes, mediaType) };
}

/** A descriptor of bytes. */
export function descriptorOf(bytes: Buffer, mediaType: string): Descriptor {
  return { mediaType, digest: digestOf(bytes), size: bytes.length };
}

/** The files of a docker-archive as `docker save` writes it. */
export function dockerArchiveEntries(
  images: readonly { image: TestImage; tags: readonly string[] }[],
): TarEntry[] {
  const entries = new Map<string, TarEntry>();
  const list = images.map(({ image, tags }) => {
    const config = `${hexOf(image.config.descriptor.digest)}.json`;
    entries.set(config, { name: config, content: image.config.bytes });
    const layers = image.layers.map(({ plain, diffId }) => {
      const name = `${hexOf(diffId)}.tar`;
      entries.set(name, { name, content: plain });
      return name;
    });
    return { Config: config, RepoTags: tags.length === 0 ? null : tags, Layers: layers };
  });
  return [...entries.values(), { name: 'manifest.json', content: JSON.stringify(list) }];
}

/** The files of an OCI layout. An element's `extra` blobs come along. */
export function layoutEntries(
  entries: readonly { descriptor: Descriptor; name?: string }[],
  blobs: readonly Buffer[],
): TarEntry[] {
  const manifests = entries.map(({ descriptor, name }) => ({
    ...descriptor,
    ...(name !== undefined && { annotations: { 'org.opencontainers.image.ref.name': name } }),
  }));
  const unique = new Map(blobs.map((bytes) => [digestOf(bytes), bytes]));
  return [
    { name: 'oci-layout', content: JSON.stringify({ imageLayoutVersion: '1.0.0' }) },
    { name: 'index.json', content: JSON.stringify({ schemaVersion: 2, manifests }) },
    ...[...unique].map(([digest, content]) => ({
      name: `blobs/${algorithmOf(digest)}/${hexOf(digest)}`,
      content,
    })),
  ];
}

/** Every blob of an image, its manifest among them. */
export function blobsOf({ manifest, config, layers }: TestImage): Buffer[] {
  return [manifest.bytes, config.bytes, ...layers.map(({ bytes }) => bytes)];
}

/** Writes entries into a directory. */
export function writeTree(directory: string, entries: readonly TarEntry[]): void {
  for (const { name, content, type, linkname } of entries) {
    const path = join(directory, name);
    mkdirSync(dirname(path), { recursive: true });
    if (type === 'directory') mkdirSync(path, { recursive: true });
    else if (type === 'symlink') symlinkSync(linkname ?? '', path);
    else writeFileSync(path, content ?? '');
  }
}

/** A directory as a tar stream, its owners as root. */
export function packTree(directory: string): Readable {
  const asRoot = (header: { uid?: number; gid?: number }): never =>
    Object.assign(header, { uid: 0, gid: 0 }) as never;
  return packDirectory(directory, { map: asRoot }) as unknown as Readable;
}

/** A busybox image in memory. */
export async function makeBusyboxImage(options: Omit<TestImageOptions, 'layers'> = {}): Promise<TestImage> {
  const directory = mkdtempSync(join(tmpdir(), 'vaina-busybox-'));
  try {
    const root = makeBusyboxRoot(directory);
    const chunks: Buffer[] = [];
    for await (const chunk of packTree(root) as AsyncIterable<Buffer>) chunks.push(chunk);
    return await makeImage({ ...options, layers: [Buffer.concat(chunks)] });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Runs skopeo, which here has no policy and no certificates of its own. */
export function skopeo(...args: readonly string[]): string {
  return execFileSync('skopeo', ['--insecure-policy', ...args], {
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
}

function compressed(plain: Buffer, how: 'none' | 'gzip' | 'zstd'): Buffer {
  if (how === 'gzip') return gzipSync(plain);
  if (how === 'zstd') return execFileSync('zstd', ['-qc'], { input: plain, maxBuffer: 1024 * 1024 * 1024 });
  return plain;
}

function layerType(compress: 'none' | 'gzip' | 'zstd', docker: boolean): string {
  const types = docker
    ? { none: MEDIA.dockerLayer, gzip: MEDIA.dockerLayerGzip, zstd: MEDIA.dockerLayerZstd }
    : { none: MEDIA.ociLayer, gzip: MEDIA.ociLayerGzip, zstd: MEDIA.ociLayerZstd };
  return types[compress];
}

function goArchitecture(): string {
  return { x64: 'amd64', ia32: '386' }[process.arch as string] ?? process.arch;
}
