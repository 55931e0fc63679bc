import type { Digest } from '../oci/types.js';
import type { Database, SqlRow, SqlValue } from './database.js';

/** A manifest of a repository. */
export interface RegistryManifest {
  digest: Digest;
  /** As it was pushed. */
  mediaType: string;
  /** Bytes. */
  size: number;
  /** What the list of referrers says of it. */
  artifactType?: string;
  /** The manifest that it is about, whether that exists or not. */
  subject?: Digest;
  annotations?: Readonly<Record<string, string>>;
}

/** Something that a manifest refers to. */
export interface RegistryReference {
  digest: Digest;
  /** Bytes, as the manifest says. */
  size: number;
}

/** What {@link RegistryCatalogue.putManifest} writes. */
export interface ManifestEntry extends RegistryManifest {
  references: readonly RegistryReference[];
  /** Blobs that must be in the repository. */
  required: readonly Digest[];
  tags: readonly string[];
}

/** How often a blob's last use is written down, in milliseconds: not at each question. */
const USE_INTERVAL_MS = 60_000;

/** The repositories of the registry: which blobs, manifests and tags they have. The bytes are in the store's content. */
export class RegistryCatalogue {
  readonly #database: Database;

  /** @internal */
  constructor(database: Database) {
    this.#database = database;
  }

  /** Whether the repository has anything. */
  hasRepository(name: string): boolean {
    return this.#database.get('SELECT 1 FROM registry_repositories WHERE name = ?', name) !== undefined;
  }

  /** Names of repositories after one, in the order of their bytes. */
  repositories(after: string, limit: number): string[] {
    return this.#database
      .all('SELECT name FROM registry_repositories WHERE name > ? ORDER BY name LIMIT ?', after, limit)
      .map((row) => row['name'] as string);
  }

  /** Whether the repository has this blob. */
  hasBlob(repository: string, digest: Digest): boolean {
    const row = this.#database.get(
      'SELECT 1 FROM registry_blobs WHERE repository = ? AND digest = ?',
      ...[repository, digest],
    );
    return row !== undefined;
  }

  /** Repositories that have this blob; at most so many. */
  repositoriesOf(digest: Digest, limit: number): string[] {
    return this.#database
      .all(
        'SELECT repository FROM registry_blobs WHERE digest = ? ORDER BY repository LIMIT ?',
        digest,
        limit,
      )
      .map((row) => row['repository'] as string);
  }

  /** Makes a blob of the store one of the repository. The caller keeps garbage from being collected. */
  addBlob(repository: string, digest: Digest): void {
    this.#database.transaction(() => {
      this.#addRepository(repository);
      this.#database.run(
        `INSERT INTO registry_blobs (repository, digest, used_at) VALUES (?, ?, ?)
         ON CONFLICT DO UPDATE SET used_at = excluded.used_at`,
        ...[repository, digest, Date.now()],
      );
    });
  }

  /** Notes that somebody counts on a blob. */
  useBlob(repository: string, digest: Digest): void {
    const now = Date.now();
    const row = this.#database.get(
      'SELECT 1 FROM registry_blobs WHERE repository = ? AND digest = ? AND used_at < ?',
      ...[repository, digest, now - USE_INTERVAL_MS],
    );
    if (!row) return;
    this.#database.run(
      'UPDATE registry_blobs SET used_at = ? WHERE repository = ? AND digest = ?',
      ...[now, repository, digest],
    );
  }

  /** Takes a blob out of the repository; false when it has none. */
  removeBlob(repository: string, digest: Digest): boolean {
    return this.#removing(
      repository,
      'DELETE FROM registry_blobs WHERE repository = ? AND digest = ?',
      ...[repository, digest],
    );
  }

  /**
   * Takes blobs out of repositories in which no manifest refers to them.
   *
   * @param before - of those that nobody has pushed or asked for since, in milliseconds since the epoch
   * @returns how many
   */
  removeUnusedBlobs(before: number): number {
    return this.#database.transaction(() => {
      const removed = this.#database.run(
        `DELETE FROM registry_blobs WHERE used_at < ? AND NOT EXISTS (
           SELECT 1 FROM registry_references
           WHERE registry_references.repository = registry_blobs.repository
             AND registry_references.digest = registry_blobs.digest)`,
        before,
      );
      if (removed > 0) {
        this.#database.run(
          `DELETE FROM registry_repositories
           WHERE name NOT IN (SELECT repository FROM registry_blobs)
             AND name NOT IN (SELECT repository FROM registry_manifests)`,
        );
      }
      return removed;
    }, true);
  }

  /** The size of something of the repository, as the manifests that refer to it say. */
  sizeOf(repository: string, digest: Digest): number | undefined {
    const row = this.#database.get(
      'SELECT size FROM registry_references WHERE repository = ? AND digest = ? LIMIT 1',
      ...[repository, digest],
    );
    return row && Number(row['size']);
  }

  /** A manifest of the repository. */
  manifest(repository: string, digest: Digest): RegistryManifest | undefined {
    const row = this.#database.get(
      'SELECT * FROM registry_manifests WHERE repository = ? AND digest = ?',
      ...[repository, digest],
    );
    return row && toManifest(row);
  }

  /**
   * Writes a manifest whose bytes are in the store, with its tags, in one transaction that survives a power loss. The
   * caller keeps garbage from being collected.
   *
   * @returns blobs that are required and missing; then nothing was written
   */
  putManifest(repository: string, entry: ManifestEntry): Digest[] {
    const { digest, mediaType, size, artifactType, subject, annotations } = entry;
    const now = Date.now();
    return this.#database.transaction(() => {
      const missing = entry.required.filter((blob) => !this.hasBlob(repository, blob));
      if (missing.length > 0) return missing;
      this.#addRepository(repository);
      this.#database.run(
        `INSERT INTO registry_manifests
           (repository, digest, media_type, size, artifact_type, subject, annotations, pushed_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET media_type = excluded.media_type, artifact_type = excluded.artifact_type,
           subject = excluded.subject, annotations = excluded.annotations`,
        ...[repository, digest, mediaType, size, artifactType ?? null, subject ?? null],
        ...[annotations === undefined ? null : JSON.stringify(annotations), now],
      );
      for (const reference of entry.references) {
        this.#database.run(
          `INSERT INTO registry_references (repository, manifest, digest, size) VALUES (?, ?, ?, ?)
           ON CONFLICT DO NOTHING`,
          ...[repository, digest, reference.digest, reference.size],
        );
      }
      for (const tag of entry.tags) this.#setTag(repository, tag, digest, now);
      return [];
    }, true);
  }

  /** Takes a manifest and its tags out of the repository; false when it has none. */
  removeManifest(repository: string, digest: Digest): boolean {
    return this.#removing(
      repository,
      'DELETE FROM registry_manifests WHERE repository = ? AND digest = ?',
      ...[repository, digest],
    );
  }

  /** Manifests about another one, after a digest, in the order of digests. */
  referrers(
    repository: string,
    subject: Digest,
    options: { artifactType?: string; after: string; limit: number },
  ): RegistryManifest[] {
    const { artifactType, after, limit } = options;
    const rows =
      artifactType === undefined
        ? this.#database.all(
            `SELECT * FROM registry_manifests WHERE repository = ? AND subject = ? AND digest > ?
             ORDER BY digest LIMIT ?`,
            ...[repository, subject, after, limit],
          )
        : this.#database.all(
            `SELECT * FROM registry_manifests
             WHERE repository = ? AND subject = ? AND digest > ? AND artifact_type = ?
             ORDER BY digest LIMIT ?`,
            ...[repository, subject, after, artifactType, limit],
          );
    return rows.map(toManifest);
  }

  /** What a tag stands for, and since when that is known: in milliseconds since the epoch. */
  tag(repository: string, tag: string): { digest: Digest; checkedAt: number } | undefined {
    const row = this.#database.get(
      'SELECT digest, checked_at FROM registry_tags WHERE repository = ? AND tag = ?',
      ...[repository, tag],
    );
    return row && { digest: row['digest'] as Digest, checkedAt: Number(row['checked_at']) };
  }

  /** Tags of a repository after one, in the order of their bytes. */
  tags(repository: string, after: string, limit: number): string[] {
    return this.#database
      .all(
        'SELECT tag FROM registry_tags WHERE repository = ? AND tag > ? ORDER BY tag LIMIT ?',
        ...[repository, after, limit],
      )
      .map((row) => row['tag'] as string);
  }

  /** Gives a manifest of the repository a tag, or notes that it still has it. */
  setTag(repository: string, tag: string, digest: Digest): void {
    this.#database.transaction(() => this.#setTag(repository, tag, digest, Date.now()));
  }

  /** Takes a tag away; false when there is none. */
  removeTag(repository: string, tag: string): boolean {
    return this.#database.transaction(
      () =>
        this.#database.run(
          'DELETE FROM registry_tags WHERE repository = ? AND tag = ?',
          ...[repository, tag],
        ) > 0,
      true,
    );
  }

  #setTag(repository: string, tag: string, digest: Digest, now: number): void {
    this.#database.run(
      `INSERT INTO registry_tags (repository, tag, digest, checked_at) VALUES (?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET digest = excluded.digest, checked_at = excluded.checked_at`,
      ...[repository, tag, digest, now],
    );
  }

  #addRepository(name: string): void {
    this.#database.run(
      'INSERT INTO registry_repositories (name, created_at) VALUES (?, ?) ON CONFLICT DO NOTHING',
      ...[name, Date.now()],
    );
  }

  /** Removes something, and the repository with the last that it had. */
  #removing(repository: string, sql: string, ...values: SqlValue[]): boolean {
    return this.#database.transaction(() => {
      if (this.#database.run(sql, ...values) === 0) return false;
      this.#database.run(
        `DELETE FROM registry_repositories WHERE name = ?
           AND NOT EXISTS (SELECT 1 FROM registry_blobs WHERE repository = name)
           AND NOT EXISTS (SELECT 1 FROM registry_manifests WHERE repository = name)`,
        repository,
      );
      return true;
    }, true);
  }
}

function toManifest(row: SqlRow): RegistryManifest {
  const { artifact_type: artifactType, subject, annotations } = row;
  return {
    digest: row['digest'] as Digest,
    mediaType: row['media_type'] as string,
    size: Number(row['size']),
    ...(artifactType === null ? {} : { artifactType: artifactType as string }),
    ...(subject === null ? {} : { subject: subject as Digest }),
    ...(annotations === null
      ? {}
      : { annotations: JSON.parse(annotations as string) as Record<string, string> }),
  };
}
