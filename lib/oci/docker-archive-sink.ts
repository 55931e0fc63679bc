import { createHash } from 'node:crypto';
import type { Readable, Writable } from 'node:stream';
import { VainaError } from '../errors.js';
import { hexOf } from './digest.js';
import { MEDIA } from './mediatypes.js';
import { formatReference, parseReference, repositoryOf, withDefaultTag } from './reference.js';
import { ArchiveFile, isStream } from './tar-writer.js';
import type {
  BlobRole,
  CommittedImage,
  CommittedManifest,
  Descriptor,
  Digest,
  ImageSink,
  SinkTakes,
  TransferOptions,
} from './types.js';

/** Several images in one docker-archive: each by a sink of its own, one after another, then {@link ArchiveWriter.finish}. */
export interface ArchiveWriter {
  /**
   * A sink for one more image. Nothing can be seen before {@link ArchiveWriter.finish}.
   *
   * @param names - full references
   */
  sink(names?: readonly string[]): ImageSink;
  /** Writes what ends the archive, and gives a file its name. */
  finish(): Promise<void>;
  /** Undoes what was not finished. Idempotent. */
  close(): Promise<void>;
}

/**
 * Writes an image to a docker-archive, what `docker save` and `docker load` understand: layers uncompressed, manifests in
 * Docker's format only to tell of them. `manifest.json` and the older `repositories` come last.
 *
 * @param target - a path, which gets a file when all is written; or a stream, which is ended
 * @param names - full references with tags that the image gets. Default: none
 * @throws VainaError `ERR_INVALID_REFERENCE`. The sink itself: `ERR_UNSUPPORTED` for a file that holds something already,
 * `ERR_PERMISSION`, `ERR_NO_SPACE`, `ERR_IO`
 */
export function dockerArchiveSink(target: string | Writable, names: readonly string[] = []): ImageSink {
  return new DockerArchive(target).sink(names, true);
}

/** Writes several images to one docker-archive; see {@link dockerArchiveSink}. Layers that they share are in it once. */
export function dockerArchiveWriter(target: string | Writable): ArchiveWriter {
  return new DockerArchive(target);
}

/** One element of `manifest.json`. */
interface Entry {
  Config: string;
  RepoTags: string[];
  Layers: string[];
}

class DockerArchive implements ArchiveWriter {
  readonly name: string;
  readonly takes: SinkTakes;
  readonly file: ArchiveFile;
  /** Members that are in the archive. */
  readonly members = new Set<string>();
  readonly #entries = new Map<string, Entry>();
  readonly #repositories = new Map<string, Map<string, string>>();

  constructor(target: string | Writable) {
    this.name = typeof target === 'string' ? `docker-archive:${target}` : 'docker-archive';
    this.takes = {
      manifests: [MEDIA.dockerManifest],
      layers: ['none'],
      indexes: false,
      artifacts: false,
      serial: isStream(target),
    };
    this.file = new ArchiveFile(target, { mode: 0o444, replace: false });
  }

  /** @param only - whether the archive ends with this image. Default false */
  sink(names: readonly string[] = [], only = false): ImageSink {
    return new DockerArchiveSink(this, checkNames(names), only);
  }

  async finish(): Promise<void> {
    await this.file.file('manifest.json', Buffer.from(goJson([...this.#entries.values()])));
    const repositories: Record<string, unknown> = {};
    for (const [name, tags] of this.#repositories) repositories[name] = sorted(Object.fromEntries(tags));
    await this.file.file('repositories', Buffer.from(goJson(sorted(repositories))));
    await this.file.finish();
  }

  async close(): Promise<void> {
    await this.file.close();
  }

  /** Adds an image whose blobs are in the archive. */
  async add({ manifest, config }: CommittedManifest, names: readonly string[]): Promise<void> {
    if (config === undefined) throw new VainaError('ERR_UNSUPPORTED', `${this.name} takes no artifacts`);
    const file = configFile(manifest.config.digest);
    const entry = this.#entries.get(file) ?? {
      Config: file,
      RepoTags: [],
      Layers: manifest.layers.map(({ digest }) => layerFile(digest)),
    };
    this.#entries.set(file, entry);
    // A name stands for the image that had it last.
    for (const other of this.#entries.values())
      other.RepoTags = other.RepoTags.filter((name) => !names.includes(name));
    entry.RepoTags.push(...names);
    const id = await this.#addLegacy(manifest.layers, config.bytes);
    for (const name of id === undefined ? [] : names) {
      const { tag = '', ...reference } = parseReference(name);
      const repository = repositoryOf(reference);
      const tags = this.#repositories.get(repository) ?? new Map<string, string>();
      this.#repositories.set(repository, tags.set(tag, id as string));
    }
  }

  /**
   * What Docker before 1.10 read: a directory for each layer, with a configuration that names the one below. The ids are
   * those that skopeo makes.
   *
   * @returns the id of the topmost
   */
  async #addLegacy(layers: readonly Descriptor[], config: Buffer): Promise<string | undefined> {
    const top = JSON.parse(config.toString()) as Record<string, unknown>;
    const kept = [
      'architecture',
      'config',
      'container',
      'container_config',
      'created',
      'docker_version',
      'os',
    ];
    let parent: string | undefined;
    let chain = '';
    for (const [i, { digest }] of layers.entries()) {
      const about: Record<string, unknown> = parent === undefined ? {} : { parent };
      if (i === layers.length - 1) for (const key of kept) about[key] = top[key] ?? null;
      chain = chain === '' ? digest : `sha256:${sha256(`${chain} ${digest}`)}`;
      const id: string = sha256(goJson(sorted({ ...about, layer_id: chain })));
      if (!this.members.has(id)) {
        this.members.add(id);
        await this.file.link(`${id}/layer.tar`, `../${layerFile(digest)}`);
        await this.file.file(`${id}/VERSION`, Buffer.from('1.0'));
        await this.file.file(`${id}/json`, Buffer.from(goJson(sorted({ ...about, id }))));
      }
      parent = id;
    }
    return parent;
  }
}

class DockerArchiveSink implements ImageSink {
  readonly name: string;
  readonly takes: SinkTakes;
  readonly #archive: DockerArchive;
  readonly #names: readonly string[];
  readonly #only: boolean;

  constructor(archive: DockerArchive, names: readonly string[], only: boolean) {
    this.#archive = archive;
    this.#names = names;
    this.#only = only;
    this.name = names[0] === undefined ? archive.name : `${archive.name}:${names[0]}`;
    this.takes = archive.takes;
  }

  async hasBlob(descriptor: Descriptor, about: BlobRole): Promise<boolean> {
    await this.#archive.file.begin();
    return this.#archive.members.has(memberOf(descriptor, about));
  }

  async putBlob(
    descriptor: Descriptor,
    content: Readable,
    about: BlobRole,
    options: TransferOptions = {},
  ): Promise<void> {
    const member = memberOf(descriptor, about);
    await this.#archive.file.file(member, content, descriptor.size, options.signal);
    this.#archive.members.add(member);
  }

  async commit(image: CommittedImage): Promise<void> {
    const [only, ...others] = image.manifests;
    if (only === undefined || others.length > 0)
      throw new VainaError('ERR_UNSUPPORTED', `${this.name} takes one image at a time`);
    await this.#archive.add(only, this.#names);
    if (this.#only) await this.#archive.finish();
  }

  async close(): Promise<void> {
    if (this.#only) await this.#archive.close();
  }
}

function checkNames(names: readonly string[]): string[] {
  return names.map((name) => {
    const reference = withDefaultTag(parseReference(name));
    if (reference.digest === undefined) return formatReference(reference);
    throw new VainaError('ERR_INVALID_REFERENCE', `${name}: a docker-archive has no names with digests`);
  });
}

function memberOf({ digest }: Descriptor, about: BlobRole): string {
  return about.kind === 'config' ? configFile(digest) : layerFile(digest);
}

function configFile(digest: Digest): string {
  return `${hexOf(digest)}.json`;
}

function layerFile(digest: Digest): string {
  return `${hexOf(digest)}.tar`;
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** The members in the order of their names, as Go writes a map. */
function sorted(object: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(object).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** JSON as Go's encoder writes it: fit for HTML. */
function goJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[<>&\u2028\u2029]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
