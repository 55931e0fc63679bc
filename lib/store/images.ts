import { VainaError } from '../errors.js';
import { formatReference, parseReference, referenceCandidates, repositoryOf } from '../oci/reference.js';
import { hostPlatform, matchPlatform } from '../oci/platform.js';
import type { Digest, ImageConfig, Index, Manifest } from '../oci/types.js';
import { quote } from '../util/text.js';
import type { Database, SqlRow } from './database.js';

/** An image of the catalogue. */
export class ImageRow {
  /** The hexadecimal part of the digest of its configuration. */
  readonly id: string;
  /** Digest of its manifest; of several, the one that came last. */
  readonly digest: Digest;
  readonly mediaType: string;
  /** Bytes of the manifest. */
  readonly manifestSize: number;
  /** The index that led to the manifest. */
  readonly indexDigest?: Digest;
  /** When it was made, as it says itself. */
  readonly created?: string;
  /** When it came into the store, in milliseconds since the epoch. */
  readonly storedAt: number;
  /** Of its layers, decompressed, and its configuration: in bytes. */
  readonly size: number;
  /** Full references, sorted. */
  readonly names: readonly string[];
  readonly #config: string;
  readonly #manifest: string;
  #parsedConfig: ImageConfig | undefined;
  #parsedManifest: Manifest | undefined;

  /** @internal */
  constructor(row: SqlRow, names: readonly string[]) {
    this.id = row['id'] as string;
    this.digest = row['digest'] as Digest;
    this.mediaType = row['media_type'] as string;
    if (row['index_digest'] !== null) this.indexDigest = row['index_digest'] as Digest;
    if (row['created'] !== null) this.created = row['created'] as string;
    this.storedAt = Number(row['stored_at']);
    this.size = Number(row['size']);
    this.names = names;
    this.#config = row['config'] as string;
    this.#manifest = row['content'] as string;
    this.manifestSize = Buffer.byteLength(this.#manifest);
  }

  /** Its configuration. Checked when it came; parsed when it is first asked for. */
  get config(): ImageConfig {
    return (this.#parsedConfig ??= JSON.parse(this.#config) as ImageConfig);
  }

  /** Its manifest. */
  get manifest(): Manifest {
    return (this.#parsedManifest ??= JSON.parse(this.#manifest) as Manifest);
  }

  /** `repository@digest` for each repository it has a name in. */
  get repoDigests(): string[] {
    const digests = this.indexDigest === undefined ? [this.digest] : [this.indexDigest, this.digest];
    const repositories = new Set(this.names.map((name) => repositoryOf(parseReference(name))));
    return [...repositories].flatMap((repository) => digests.map((digest) => `${repository}@${digest}`));
  }
}

/** An image, and the name of the store by which it was found. */
export interface FoundImage {
  image: ImageRow;
  /** Absent when it was found by its id. */
  name?: string;
}

const SELECT = `SELECT images.id, images.digest, images.created, stored_at, images.size, config,
  media_type, index_digest, content
  FROM images JOIN manifests ON manifests.image_id = images.id AND manifests.digest = images.digest`;

/** The images of the catalogue and their names. */
export class Images {
  readonly #database: Database;
  readonly #onNames: () => Promise<void>;

  /**
   * @param onNames - called when names have changed
   * @internal
   */
  constructor(database: Database, onNames: () => Promise<void>) {
    this.#database = database;
    this.#onNames = onNames;
  }

  /** All images, the one that came last first. */
  list(): ImageRow[] {
    const names = new Map<string, string[]>();
    for (const row of this.#database.all('SELECT name, image_id FROM image_names ORDER BY name')) {
      const id = row['image_id'] as string;
      const list = names.get(id);
      if (list) list.push(row['name'] as string);
      else names.set(id, [row['name'] as string]);
    }
    const rows = this.#database.all(`${SELECT} ORDER BY stored_at DESC, images.id`);
    return rows.map((row) => new ImageRow(row, names.get(row['id'] as string) ?? []));
  }

  /** The image with this whole id. */
  get(id: string): ImageRow | undefined {
    return this.#one('images.id = ?', id);
  }

  /** As {@link Images.get}. Throws ERR_NO_SUCH_IMAGE. */
  require(id: string): ImageRow {
    const image = this.get(id);
    if (image) return image;
    throw new VainaError('ERR_NO_SUCH_IMAGE', `no image with id ${id}`, { subject: id });
  }

  /** The image that has this full reference as a name; of a manifest list, its image for this host. */
  byName(name: string): ImageRow | undefined {
    return (
      this.#one('images.id = (SELECT image_id FROM image_names WHERE name = ?)', name) ?? this.#ofList(name)
    );
  }

  /**
   * The image that is meant: by a name, short or full, with tag or digest; by its whole id, with or without `sha256:`;
   * or by the start of its id, when there is no such name.
   *
   * @throws VainaError `ERR_NO_SUCH_IMAGE`, `ERR_AMBIGUOUS_ID`
   */
  find(nameOrId: string): FoundImage {
    const id = nameOrId.replace(/^sha(?:256|512):/, '');
    const isId = /^[0-9a-f]{1,128}$/.test(id);
    const whole = isId ? this.get(id) : undefined;
    if (whole) return { image: whole };
    const named = nameOrId === id ? this.#byReference(nameOrId) : undefined;
    if (named) return named;
    if (isId) {
      const rows = this.#database.all(
        'SELECT id FROM images WHERE id >= ? AND id < ? ORDER BY id LIMIT 2',
        ...[id, `${id}g`],
      );
      if (rows.length > 1) {
        throw new VainaError('ERR_AMBIGUOUS_ID', `more than one image has an id that starts with ${id}`, {
          subject: nameOrId,
        });
      }
      const image = rows[0] && this.get(rows[0]['id'] as string);
      if (image) return { image };
    }
    throw new VainaError('ERR_NO_SUCH_IMAGE', `no image with name or id ${quote(nameOrId)}`, {
      subject: nameOrId,
    });
  }

  /** Whether there is a row of this image, even a damaged one that {@link Images.get} cannot show. */
  isKnown(id: string): boolean {
    return isKnown(this.#database, id);
  }

  /** /etc/passwd and /etc/group of the unpacked image, where it has them and they are not unreasonably large. */
  userFiles(id: string): { passwd?: string; group?: string } {
    const row = this.#database.get('SELECT passwd, "group" FROM images WHERE id = ?', id);
    const { passwd = null, group = null } = row ?? {};
    return {
      ...(passwd === null ? {} : { passwd: passwd as string }),
      ...(group === null ? {} : { group: group as string }),
    };
  }

  /**
   * Gives an image a name; another image that had it loses it.
   *
   * @param name - a full reference with a tag, as `formatReference` makes it
   * @throws VainaError `ERR_NO_SUCH_IMAGE`
   */
  async tag(id: string, name: string): Promise<void> {
    this.#database.transaction(() => {
      setName(this.#database, name, id, this.require(id).digest);
    }, true);
    await this.#onNames();
  }

  /** Takes a name away from whichever image has it; false when none has. */
  async untag(name: string): Promise<boolean> {
    const changed = this.#database.transaction(
      () => this.#database.run('DELETE FROM image_names WHERE name = ?', name) > 0,
      true,
    );
    if (changed) await this.#onNames();
    return changed;
  }

  /** Every name, with its image and the manifest that it names; sorted. */
  names(): { name: string; imageId: string; digest: Digest }[] {
    return this.#database.all('SELECT name, image_id, digest FROM image_names ORDER BY name').map((row) => ({
      name: row['name'] as string,
      imageId: row['image_id'] as string,
      digest: row['digest'] as Digest,
    }));
  }

  /** Whether a blob is among what the image keeps: layers, configuration, manifests. */
  hasBlob(id: string, digest: Digest): boolean {
    const row = this.#database.get(
      'SELECT 1 FROM image_blobs WHERE image_id = ? AND digest = ?',
      ...[id, digest],
    );
    return row !== undefined;
  }

  /** Whether this is a manifest of the image, or an index that led to one. */
  hasManifest(id: string, digest: Digest): boolean {
    const row = this.#database.get(
      'SELECT 1 FROM manifests WHERE image_id = ? AND (digest = ? OR index_digest = ?)',
      ...[id, digest, digest],
    );
    return row !== undefined;
  }

  /** The chain ids of an image's layers, the lowest first. */
  layersOf(id: string): string[] {
    const rows = this.#database.all(
      'SELECT chain_id FROM image_layers WHERE image_id = ? ORDER BY position',
      id,
    );
    return rows.map((row) => row['chain_id'] as string);
  }

  /** How many images use a layer. */
  usersOf(chainId: string): number {
    return Number(
      this.#database.get(
        'SELECT count(DISTINCT image_id) AS n FROM image_layers WHERE chain_id = ?',
        chainId,
      )?.['n'],
    );
  }

  #ofList(name: string): ImageRow | undefined {
    const list = this.#database.get(
      'SELECT id, content FROM lists WHERE id = (SELECT list_id FROM list_names WHERE name = ?)',
      name,
    );
    if (!list) return undefined;
    const { manifests } = JSON.parse(list['content'] as string) as Index;
    const chosen = matchPlatform(manifests, hostPlatform());
    return (
      chosen &&
      this.#one(
        `images.id = (SELECT manifests.image_id FROM manifests JOIN list_images USING (image_id)
         WHERE manifests.digest = ? AND list_id = ?)`,
        chosen.digest,
        list['id'] as string,
      )
    );
  }

  #one(condition: string, ...values: string[]): ImageRow | undefined {
    const row = this.#database.get(`${SELECT} WHERE ${condition}`, ...values);
    if (!row) return undefined;
    const names = this.#database.all(
      'SELECT name FROM image_names WHERE image_id = ? ORDER BY name',
      row['id'] as string,
    );
    return new ImageRow(
      row,
      names.map(({ name }) => name as string),
    );
  }

  #byReference(text: string): FoundImage | undefined {
    let candidates;
    try {
      candidates = referenceCandidates(text);
    } catch (error) {
      // What is no reference may still be the start of an id.
      if (VainaError.is(error, 'ERR_INVALID_REFERENCE')) return undefined;
      throw error;
    }
    for (const reference of candidates) {
      const name = formatReference(reference);
      const image = this.byName(name);
      if (image) return { image, name };
      if (reference.digest === undefined) continue;
      const found = this.#byDigest(repositoryOf(reference), reference.digest);
      if (found) return found;
    }
    return undefined;
  }

  /** With a digest the tag does not matter, but the image must have been known by that repository. */
  #byDigest(repository: string, digest: Digest): FoundImage | undefined {
    const rows = this.#database.all(
      `SELECT DISTINCT image_names.name, image_names.image_id FROM image_names
       JOIN manifests ON manifests.image_id = image_names.image_id
       WHERE manifests.digest = ? OR manifests.index_digest = ? ORDER BY image_names.name`,
      ...[digest, digest],
    );
    for (const row of rows) {
      const name = row['name'] as string;
      if (repositoryOf(parseReference(name)) !== repository) continue;
      const image = this.get(row['image_id'] as string);
      if (image) return { image, name };
    }
    return undefined;
  }
}

/** Whether there is a row of an image. */
export function isKnown(database: Database, id: string): boolean {
  return database.get('SELECT 1 FROM images WHERE id = ?', id) !== undefined;
}

/** Writes a name, in a transaction of the caller. */
export function setName(database: Database, name: string, imageId: string, digest: Digest): void {
  database.run('DELETE FROM list_names WHERE name = ?', name);
  database.run(
    `INSERT INTO image_names (name, image_id, digest) VALUES (?, ?, ?)
     ON CONFLICT (name) DO UPDATE SET image_id = excluded.image_id, digest = excluded.digest`,
    ...[name, imageId, digest],
  );
}
