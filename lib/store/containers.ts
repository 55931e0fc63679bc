import { VainaError } from '../errors.js';
import { quote } from '../util/text.js';
import { type Database, sqlFailure, type SqlRow } from './database.js';

/** What the catalogue is told of a new container. */
export interface NewContainer {
  /** 64 hexadecimal digits. */
  id: string;
  name: string;
  /** Absent with a plain root file system. */
  imageId?: string;
  /** Milliseconds since the epoch. Default: now. */
  createdAt?: number;
  /** Whether it goes away when it ends. Default false. */
  autoRemove?: boolean;
  /** What is fixed; kept as JSON. */
  record: object;
  /** What changes; kept as JSON. */
  state: object;
}

/** A container of the catalogue. */
export class ContainerRow {
  readonly id: string;
  readonly name: string;
  readonly imageId?: string;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly autoRemove: boolean;
  readonly #record: string | undefined;
  readonly #state: string;
  #parsedRecord: unknown;
  #parsedState: unknown;

  /**
   * @internal
   * @param record - what is fixed, where the row does not have it
   */
  constructor(row: SqlRow, record?: unknown) {
    this.id = row['id'] as string;
    this.name = row['name'] as string;
    if (row['image_id'] !== null) this.imageId = row['image_id'] as string;
    this.createdAt = Number(row['created_at']);
    this.autoRemove = row['auto_remove'] !== 0;
    this.#record = row['record'] as string | undefined;
    this.#parsedRecord = record;
    this.#state = row['state'] as string;
  }

  /** What is fixed, as it was inserted. Parsed when it is first asked for: a list need not. */
  get record(): unknown {
    return (this.#parsedRecord ??= JSON.parse(this.#record ?? 'null') as unknown);
  }

  /** What changes, as it was last saved. */
  get state(): unknown {
    return (this.#parsedState ??= JSON.parse(this.#state) as unknown);
  }
}

const SHORT = 'id, name, image_id, created_at, auto_remove, state';
const COLUMNS = `${SHORT}, record`;

/** The containers of the catalogue. Changes are atomic, but survive a power loss only some time later. */
export class Containers {
  readonly #database: Database;
  /** What is fixed of those that were listed last. It is most of a row, and the same each time. */
  #records = new Map<string, unknown>();

  /** @internal */
  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * Adds a container.
   *
   * @throws VainaError `ERR_NAME_IN_USE`; `ERR_NO_SUCH_IMAGE` when its image is no longer there
   */
  insert(container: NewContainer): void {
    const { id, name, imageId, createdAt = Date.now(), autoRemove = false, record, state } = container;
    try {
      this.#database.run(
        `INSERT INTO containers (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)`,
        ...[
          id,
          name,
          imageId ?? null,
          createdAt,
          autoRemove ? 1 : 0,
          JSON.stringify(state),
          JSON.stringify(record),
        ],
      );
    } catch (error) {
      if (sqlFailure(error) === 'foreign-key') {
        throw new VainaError(
          'ERR_NO_SUCH_IMAGE',
          `the image ${imageId} of the container ${name} was removed`,
          {
            subject: imageId ?? '',
            cause: error,
          },
        );
      }
      throw this.#nameInUse(error, name);
    }
  }

  /** The container with this whole id. */
  get(id: string): ContainerRow | undefined {
    return this.#one('id = ?', id);
  }

  /** The container with this name. */
  byName(name: string): ContainerRow | undefined {
    return this.#one('name = ?', name);
  }

  /**
   * The container that is meant by a whole id, a name, or the start of an id, in this order.
   *
   * @throws VainaError `ERR_NO_SUCH_CONTAINER`, `ERR_AMBIGUOUS_ID`
   */
  find(idOrName: string): ContainerRow {
    const exact = this.get(idOrName) ?? this.byName(idOrName);
    if (exact) return exact;
    if (/^[0-9a-f]{1,64}$/.test(idOrName)) {
      const [first, second] = this.#many(
        'WHERE id >= ? AND id < ? ORDER BY id LIMIT 2',
        idOrName,
        `${idOrName}g`,
      );
      if (second) {
        throw new VainaError(
          'ERR_AMBIGUOUS_ID',
          `more than one container has an id that starts with ${idOrName}`,
          {
            subject: idOrName,
          },
        );
      }
      if (first) return first;
    }
    throw new VainaError('ERR_NO_SUCH_CONTAINER', `no container with name or id ${quote(idOrName)}`, {
      subject: idOrName,
    });
  }

  /** All containers, the oldest first. */
  list(): ContainerRow[] {
    const columns = this.#records.size === 0 ? COLUMNS : SHORT;
    const rows: ContainerRow[] = [];
    for (const row of this.#database.all(`SELECT ${columns} FROM containers`)) {
      const id = row['id'] as string;
      const known = this.#records.get(id);
      // A new one may have been removed in between.
      const listed = known || columns === COLUMNS ? new ContainerRow(row, known) : this.get(id);
      if (listed) rows.push(listed);
    }
    this.#records = new Map(rows.map((row) => [row.id, row.record]));
    // SQLite would sort the records with them.
    return rows.sort((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1));
  }

  /** The containers that were made of an image, the oldest first. */
  ofImage(imageId: string): ContainerRow[] {
    return this.#many('WHERE image_id = ? ORDER BY created_at, id', imageId);
  }

  /** How many containers each image has; images without any are left out. */
  countByImage(): Map<string, number> {
    const rows = this.#database.all(
      'SELECT image_id, count(*) AS n FROM containers WHERE image_id IS NOT NULL GROUP BY image_id',
    );
    return new Map(rows.map((row) => [row['image_id'] as string, Number(row['n'])]));
  }

  /** Saves the state; false when there is no such container. */
  updateState(id: string, state: object): boolean {
    return this.#database.run('UPDATE containers SET state = ? WHERE id = ?', JSON.stringify(state), id) > 0;
  }

  /**
   * Gives a container another name; false when there is no such container.
   *
   * @throws VainaError `ERR_NAME_IN_USE`
   */
  rename(id: string, name: string): boolean {
    try {
      return this.#database.run('UPDATE containers SET name = ? WHERE id = ?', name, id) > 0;
    } catch (error) {
      throw this.#nameInUse(error, name);
    }
  }

  /** Forgets a container; false when there is no such one. */
  delete(id: string): boolean {
    return this.#database.run('DELETE FROM containers WHERE id = ?', id) > 0;
  }

  #one(condition: string, value: string): ContainerRow | undefined {
    const row = this.#database.get(`SELECT ${COLUMNS} FROM containers WHERE ${condition}`, value);
    return row && new ContainerRow(row);
  }

  #many(rest: string, ...values: string[]): ContainerRow[] {
    const rows = this.#database.all(`SELECT ${COLUMNS} FROM containers ${rest}`, ...values);
    return rows.map((row) => new ContainerRow(row));
  }

  #nameInUse(error: unknown, name: string): unknown {
    const owner = sqlFailure(error) === 'unique' ? this.byName(name) : undefined;
    if (!owner) return error;
    return new VainaError('ERR_NAME_IN_USE', `the name ${name} is in use by the container ${owner.id}`, {
      subject: name,
      cause: error,
    });
  }
}
