import { VainaError } from '../errors.js';
import type { Database } from './database.js';

/**
 * The steps from an empty catalogue to the present one. A step that was released is never changed: what is to be
 * different comes as a further step.
 */
const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE images (
    id            TEXT PRIMARY KEY,    -- hexadecimal part of the digest of the configuration
    digest        TEXT NOT NULL,       -- of the manifest that was committed last
    created       TEXT,                -- as the configuration says
    stored_at     INTEGER NOT NULL,    -- milliseconds since the epoch
    size          INTEGER NOT NULL,    -- of the unpacked layers' archives and the configuration, in bytes
    config        TEXT NOT NULL,
    passwd        TEXT,                -- /etc/passwd and /etc/group of the unpacked image, where it has them
    "group"       TEXT
  ) STRICT;

  CREATE TABLE manifests (
    image_id      TEXT NOT NULL REFERENCES images ON DELETE CASCADE,
    digest        TEXT NOT NULL,
    media_type    TEXT NOT NULL,
    size          INTEGER NOT NULL,
    index_digest  TEXT,                -- the index that led to it
    content       TEXT NOT NULL,
    layout_digest TEXT NOT NULL,       -- the same manifest in OCI's own types, as the layout has it
    layout_size   INTEGER NOT NULL,
    PRIMARY KEY (image_id, digest)
  ) STRICT;
  CREATE INDEX manifests_by_digest ON manifests (digest);
  CREATE INDEX manifests_by_index ON manifests (index_digest);

  CREATE TABLE image_names (
    name          TEXT PRIMARY KEY,    -- a full reference, with tag or digest
    image_id      TEXT NOT NULL REFERENCES images ON DELETE CASCADE,
    digest        TEXT NOT NULL        -- the manifest it names
  ) STRICT;
  CREATE INDEX image_names_by_image ON image_names (image_id);

  CREATE TABLE blobs (
    digest        TEXT PRIMARY KEY,
    size          INTEGER NOT NULL,
    media_type    TEXT NOT NULL,
    diff_id       TEXT                 -- of a layer: what it was seen to unpack to
  ) STRICT;

  CREATE TABLE image_blobs (
    image_id      TEXT NOT NULL REFERENCES images ON DELETE CASCADE,
    digest        TEXT NOT NULL REFERENCES blobs,
    PRIMARY KEY (image_id, digest)
  ) STRICT;
  CREATE INDEX image_blobs_by_digest ON image_blobs (digest);

  CREATE TABLE layers (
    chain_id      TEXT PRIMARY KEY,    -- hexadecimal; also the name of the directory
    diff_id       TEXT NOT NULL,
    parent        TEXT,                -- chain id
    size          INTEGER NOT NULL,    -- of the archive, in bytes
    created_at    INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE image_layers (
    image_id      TEXT NOT NULL REFERENCES images ON DELETE CASCADE,
    position      INTEGER NOT NULL,    -- 0 is the lowest
    chain_id      TEXT NOT NULL REFERENCES layers,
    PRIMARY KEY (image_id, position)
  ) STRICT;
  CREATE INDEX image_layers_by_layer ON image_layers (chain_id);

  CREATE TABLE containers (
    id            TEXT PRIMARY KEY,
    name          TEXT NOT NULL UNIQUE,
    image_id      TEXT REFERENCES images ON DELETE RESTRICT,
    created_at    INTEGER NOT NULL,    -- milliseconds since the epoch
    auto_remove   INTEGER NOT NULL,
    record        TEXT NOT NULL,       -- JSON: what is fixed
    state         TEXT NOT NULL        -- JSON: what changes
  ) STRICT;
  CREATE INDEX containers_by_image ON containers (image_id);
  `,
];

/**
 * Brings a catalogue to the present schema. Any number of processes may do so at once.
 *
 * @throws VainaError `ERR_STORE_VERSION` when a newer engine has written it
 */
export function migrate(database: Database, path: string): void {
  if (version(database) === MIGRATIONS.length) return;
  database.transaction(() => {
    const from = version(database);
    if (from > MIGRATIONS.length) {
      throw new VainaError(
        'ERR_STORE_VERSION',
        `the store at ${path} has version ${from}, this engine knows up to ${MIGRATIONS.length}`,
        {
          path,
          hint: 'use a newer vaina, or another root',
        },
      );
    }
    for (const step of MIGRATIONS.slice(from)) database.exec(step);
    database.exec(`PRAGMA user_version = ${MIGRATIONS.length}`);
  }, true);
}

function version(database: Database): number {
  return Number(database.get('PRAGMA user_version')?.['user_version'] ?? 0);
}
