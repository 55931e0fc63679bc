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
  `
  CREATE TABLE registry_repositories (
    name          TEXT PRIMARY KEY,
    created_at    INTEGER NOT NULL     -- milliseconds since the epoch
  ) STRICT;

  CREATE TABLE registry_blobs (
    repository    TEXT NOT NULL REFERENCES registry_repositories ON DELETE CASCADE,
    digest        TEXT NOT NULL REFERENCES blobs,
    used_at       INTEGER NOT NULL,    -- when a client pushed it or asked for it last
    PRIMARY KEY (repository, digest)
  ) STRICT;
  CREATE INDEX registry_blobs_by_digest ON registry_blobs (digest);

  CREATE TABLE registry_manifests (
    repository    TEXT NOT NULL REFERENCES registry_repositories ON DELETE CASCADE,
    digest        TEXT NOT NULL REFERENCES blobs,
    media_type    TEXT NOT NULL,       -- as it was pushed
    size          INTEGER NOT NULL,
    artifact_type TEXT,                -- what the list of referrers says
    subject       TEXT,                -- a digest; the manifest need not exist
    annotations   TEXT,                -- JSON
    pushed_at     INTEGER NOT NULL,
    PRIMARY KEY (repository, digest)
  ) STRICT;
  CREATE INDEX registry_manifests_by_digest ON registry_manifests (digest);
  CREATE INDEX registry_manifests_by_subject ON registry_manifests (repository, subject, digest);

  CREATE TABLE registry_tags (
    repository    TEXT NOT NULL,
    tag           TEXT NOT NULL,
    digest        TEXT NOT NULL,
    checked_at    INTEGER NOT NULL,    -- when it was pushed, or the upstream said so last
    PRIMARY KEY (repository, tag),
    FOREIGN KEY (repository, digest) REFERENCES registry_manifests ON DELETE CASCADE
  ) STRICT;
  CREATE INDEX registry_tags_by_manifest ON registry_tags (repository, digest);

  CREATE TABLE registry_references (
    repository    TEXT NOT NULL,
    manifest      TEXT NOT NULL,       -- a digest
    digest        TEXT NOT NULL,       -- of a blob or manifest that it refers to; it need not exist
    size          INTEGER NOT NULL,
    PRIMARY KEY (repository, manifest, digest),
    FOREIGN KEY (repository, manifest) REFERENCES registry_manifests ON DELETE CASCADE
  ) STRICT;
  CREATE INDEX registry_references_by_digest ON registry_references (repository, digest);
  `,
  `
  -- What the worker's \`usage\` counted when the layer was unpacked; null for a layer that came before it was counted.
  ALTER TABLE layers ADD COLUMN tree_files INTEGER;
  ALTER TABLE layers ADD COLUMN tree_size  INTEGER;
  ALTER TABLE layers ADD COLUMN tree_mark  TEXT;
  `,
  `
  CREATE TABLE lists (
    id            TEXT PRIMARY KEY,    -- hexadecimal, random
    digest        TEXT NOT NULL,       -- of the index
    media_type    TEXT NOT NULL,
    stored_at     INTEGER NOT NULL,    -- milliseconds since the epoch
    content       TEXT NOT NULL
  ) STRICT;
  CREATE INDEX lists_by_digest ON lists (digest);

  CREATE TABLE list_names (
    name          TEXT PRIMARY KEY,    -- a full reference; no image has the same one
    list_id       TEXT NOT NULL REFERENCES lists ON DELETE CASCADE
  ) STRICT;
  CREATE INDEX list_names_by_list ON list_names (list_id);

  CREATE TABLE list_blobs (            -- the index, indexes below it, artifacts with their blobs
    list_id       TEXT NOT NULL REFERENCES lists ON DELETE CASCADE,
    digest        TEXT NOT NULL REFERENCES blobs,
    PRIMARY KEY (list_id, digest)
  ) STRICT;
  CREATE INDEX list_blobs_by_digest ON list_blobs (digest);

  CREATE TABLE list_images (
    list_id       TEXT NOT NULL REFERENCES lists ON DELETE CASCADE,
    image_id      TEXT NOT NULL REFERENCES images ON DELETE RESTRICT,
    brought       INTEGER NOT NULL,    -- whether it came with the list, and goes with it unless it got a name
    PRIMARY KEY (list_id, image_id)
  ) STRICT;
  CREATE INDEX list_images_by_image ON list_images (image_id);
  `,
  `
  CREATE TABLE signatures (
    digest        TEXT NOT NULL REFERENCES blobs ON DELETE CASCADE,    -- of the manifest or index that is signed
    position      INTEGER NOT NULL,
    content       BLOB NOT NULL,       -- as in the files \`signature-N\` of the transport dir:
    PRIMARY KEY (digest, position)
  ) STRICT;
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
