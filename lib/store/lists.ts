import { randomBytes } from 'node:crypto';
import { VainaError } from '../errors.js';
import { formatReference, referenceCandidates } from '../oci/reference.js';
import type { Descriptor, Digest, Index, RawManifest } from '../oci/types.js';
import { quote } from '../util/text.js';
import { recordBlob } from './content.js';
import type { Database, SqlRow } from './database.js';

/** A manifest list or image index of the store. */
export class ListRow {
  /** 64 hexadecimal digits, random: a list stays the same one when its content changes. */
  readonly id: string;
  /** Digest of the index, as it is now. */
  readonly digest: Digest;
  readonly mediaType: string;
  /** Milliseconds since the epoch. */
  readonly storedAt: number;
  /** Full references, sorted. */
  readonly names: readonly string[];
  /** The exact text. */
  readonly content: string;

  /** @internal */
  constructor(row: SqlRow, names: readonly string[]) {
    this.id = row['id'] as string;
    this.digest = row['digest'] as Digest;
    this.mediaType = row['media_type'] as string;
    this.storedAt = Number(row['stored_at']);
    this.content = row['content'] as string;
    this.names = names;
  }

  /** Its content. Checked when it came. */
  get index(): Index {
    return JSON.parse(this.content) as Index;
  }
}

/** What is written of a list. */
export interface NewList {
  raw: RawManifest;
  /** What it keeps beside itself: indexes below it, artifacts with their blobs. */
  blobs: readonly Descriptor[];
  /** The images in it; `brought` are those that came with it. */
  images: readonly { id: string; brought: boolean }[];
  names: readonly string[];
}

/** The manifest lists of the catalogue and their names. */
export class Lists {
  readonly #database: Database;
  readonly #onNames: () => Promise<void>;

  /**
   * @param onNames - called when names or content have changed
   * @internal
   */
  constructor(database: Database, onNames: () => Promise<void>) {
    this.#database = database;
    this.#onNames = onNames;
  }

  /** All lists, the one that came last first. */
  list(): ListRow[] {
    return this.#database
      .all('SELECT * FROM lists ORDER BY stored_at DESC, id')
      .map((row) => new ListRow(row, this.#namesOf(row['id'] as string)));
  }

  /** The list with this whole id. */
  get(id: string): ListRow | undefined {
    const row = this.#database.get('SELECT * FROM lists WHERE id = ?', id);
    return row && new ListRow(row, this.#namesOf(id));
  }

  /**
   * The list that is meant: by a name, short or full, or by the start of its id, unless that may mean an image too;
   * undefined when there is none.
   */
  find(nameOrId: string): ListRow | undefined {
    let names: string[] = [];
    try {
      names = referenceCandidates(nameOrId).map(formatReference);
    } catch (error) {
      if (!VainaError.is(error, 'ERR_INVALID_REFERENCE')) throw error;
    }
    for (const name of names) {
      const row = this.#database.get('SELECT list_id FROM list_names WHERE name = ?', name);
      if (row) return this.get(row['list_id'] as string);
      if (this.#database.get('SELECT 1 FROM image_names WHERE name = ?', name)) return undefined;
    }
    const id = nameOrId.replace(/^sha256:/, '');
    if (!/^[0-9a-f]{1,64}$/.test(id)) return undefined;
    const image = this.#database.get('SELECT 1 FROM images WHERE id >= ? AND id < ?', id, `${id}g`);
    if (image) return undefined;
    const rows = this.#database.all('SELECT id FROM lists WHERE id >= ? AND id < ? LIMIT 2', id, `${id}g`);
    return rows.length === 1 ? this.get(rows[0]?.['id'] as string) : undefined;
  }

  /** As {@link Lists.find}. Throws ERR_NO_SUCH_IMAGE. */
  require(nameOrId: string): ListRow {
    const row = this.find(nameOrId);
    if (row) return row;
    throw new VainaError('ERR_NO_SUCH_IMAGE', `no manifest list with name or id ${quote(nameOrId)}`, {
      subject: nameOrId,
    });
  }

  /** What a list keeps beside its images: itself, indexes below it, artifacts. */
  blobsOf(id: string): Descriptor[] {
    return this.#database
      .all('SELECT digest, size, media_type FROM list_blobs JOIN blobs USING (digest) WHERE list_id = ?', id)
      .map((row) => ({
        mediaType: row['media_type'] as string,
        digest: row['digest'] as Digest,
        size: Number(row['size']),
      }));
  }

  /** Ids of the lists that cannot be without something: themselves, a blob that they keep, or an image that they brought. */
  needing(what: string, imageIds: readonly string[]): string[] {
    const ids = this.#database
      .all(
        'SELECT id FROM lists WHERE id = ? UNION SELECT list_id FROM list_blobs WHERE digest = ?',
        what,
        what,
      )
      .map((row) => row['id'] as string);
    for (const image of imageIds) {
      const rows = this.#database.all(
        'SELECT list_id FROM list_images WHERE image_id = ? AND brought = 1',
        image,
      );
      ids.push(...rows.map((row) => row['list_id'] as string));
    }
    return [...new Set(ids)];
  }

  /** Ids of the images that came with a list. */
  broughtImages(): Set<string> {
    const rows = this.#database.all('SELECT DISTINCT image_id FROM list_images WHERE brought = 1');
    return new Set(rows.map((row) => row['image_id'] as string));
  }

  /** Gives a list a name; whoever had it loses it. */
  async tag(id: string, name: string): Promise<void> {
    this.#database.transaction(() => setListName(this.#database, name, id), true);
    await this.#onNames();
  }

  /** Takes a name away from whichever list has it; false when none has. */
  async untag(name: string): Promise<boolean> {
    const changed = this.#database.transaction(
      () => this.#database.run('DELETE FROM list_names WHERE name = ?', name) > 0,
      true,
    );
    if (changed) await this.#onNames();
    return changed;
  }

  #namesOf(id: string): string[] {
    return this.#database
      .all('SELECT name FROM list_names WHERE list_id = ? ORDER BY name', id)
      .map((row) => row['name'] as string);
  }
}

/** Writes a list, in a transaction of the caller: the same one again where its content is the same. */
export function writeList(database: Database, list: NewList, known?: string): string {
  const { raw, blobs, images, names } = list;
  const same = database.get('SELECT id FROM lists WHERE digest = ?', raw.digest)?.['id'];
  const id = known ?? (same as string | undefined) ?? randomBytes(32).toString('hex');
  database.run(
    `INSERT INTO lists (id, digest, media_type, stored_at, content) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET digest = excluded.digest, media_type = excluded.media_type, content = excluded.content`,
    ...[id, raw.digest, raw.mediaType, Date.now(), raw.bytes.toString('utf8')],
  );
  database.run('DELETE FROM list_blobs WHERE list_id = ?', id);
  const own = { mediaType: raw.mediaType, digest: raw.digest, size: raw.bytes.length };
  for (const blob of [own, ...blobs]) {
    recordBlob(database, blob);
    database.run(
      'INSERT INTO list_blobs (list_id, digest) VALUES (?, ?) ON CONFLICT DO NOTHING',
      id,
      blob.digest,
    );
  }
  const kept = new Set(images.map((image) => image.id));
  for (const row of database.all('SELECT image_id FROM list_images WHERE list_id = ?', id)) {
    const image = row['image_id'] as string;
    if (!kept.has(image)) leaveList(database, id, image);
  }
  for (const image of images) {
    database.run(
      'INSERT INTO list_images (list_id, image_id, brought) VALUES (?, ?, ?) ON CONFLICT DO NOTHING',
      ...[id, image.id, image.brought ? 1 : 0],
    );
  }
  for (const name of names) setListName(database, name, id);
  return id;
}

/** Removes a list, and the images that came with it and have got no name or container since; in a transaction. */
export function deleteList(database: Database, id: string): void {
  for (const row of database.all('SELECT image_id FROM list_images WHERE list_id = ?', id))
    leaveList(database, id, row['image_id'] as string);
  database.run('DELETE FROM lists WHERE id = ?', id);
}

function leaveList(database: Database, id: string, image: string): void {
  const row = database.get('SELECT brought FROM list_images WHERE list_id = ? AND image_id = ?', id, image);
  database.run('DELETE FROM list_images WHERE list_id = ? AND image_id = ?', id, image);
  if (row?.['brought'] !== 1) return;
  database.run(
    `DELETE FROM images WHERE id = ? AND id NOT IN (SELECT image_id FROM image_names)
     AND id NOT IN (SELECT image_id FROM list_images)
     AND NOT EXISTS (SELECT 1 FROM containers WHERE containers.image_id = images.id)`,
    image,
  );
}

function setListName(database: Database, name: string, id: string): void {
  database.run('DELETE FROM image_names WHERE name = ?', name);
  database.run(
    'INSERT INTO list_names (name, list_id) VALUES (?, ?) ON CONFLICT DO UPDATE SET list_id = excluded.list_id',
    ...[name, id],
  );
}
