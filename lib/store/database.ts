import type BetterSqlite from 'better-sqlite3';
import { VainaError } from '../errors.js';

/** A value as SQLite keeps it. */
export type SqlValue = string | number | bigint | null | Uint8Array;

/** A row by column name. */
export type SqlRow = Record<string, SqlValue>;

/** A prepared statement. */
export interface Statement {
  run(...values: SqlValue[]): { changes: number | bigint };
  get(...values: SqlValue[]): unknown;
  all(...values: SqlValue[]): unknown[];
}

/** What both drivers have. */
interface Driver {
  prepare(sql: string): Statement;
  exec(sql: string): unknown;
  close(): void;
}

/** What went wrong in a statement, in the words of no driver. */
export type SqlFailure =
  'unique' | 'foreign-key' | 'full' | 'busy' | 'damaged' | 'read-only' | 'io' | 'other';

/** How long a writer waits for another one: longer than any burst of many processes lasts. */
const BUSY_TIMEOUT_MS = 60_000;

/** One connection to the catalogue. The only file that knows which SQLite the runtime has. */
export class Database {
  readonly #driver: Driver;
  readonly #statements = new Map<string, Statement>();
  readonly #path: string;
  #inTransaction = false;
  #closed = false;
  #beforeDurable: () => void = () => undefined;

  private constructor(driver: Driver, path: string) {
    this.#driver = driver;
    this.#path = path;
  }

  /**
   * Opens a database, which is made when it is missing.
   *
   * @throws VainaError `ERR_HOST_UNSUPPORTED` when there is neither node:sqlite nor better-sqlite3
   */
  static open(path: string): Database {
    const database = new Database(openDriver(path), path);
    try {
      database.#guard(() => {
        database.#driver.exec(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
        database.#driver.exec('PRAGMA journal_mode = WAL');
        database.#driver.exec('PRAGMA synchronous = NORMAL');
        database.#driver.exec('PRAGMA foreign_keys = ON');
      });
      return database;
    } catch (error) {
      database.close();
      throw error;
    }
  }

  /** The first row, or undefined. */
  get(sql: string, ...values: SqlValue[]): SqlRow | undefined {
    return this.#guard(() => this.#statement(sql).get(...values)) as SqlRow | undefined;
  }

  /** Every row. */
  all(sql: string, ...values: SqlValue[]): SqlRow[] {
    return this.#guard(() => this.#statement(sql).all(...values)) as SqlRow[];
  }

  /** Changes rows, and tells how many. */
  run(sql: string, ...values: SqlValue[]): number {
    return this.#guard(() => Number(this.#statement(sql).run(...values).changes));
  }

  /** Runs statements that are not kept. */
  exec(sql: string): void {
    this.#guard(() => this.#driver.exec(sql));
  }

  /** Calls a function before each transaction that survives a power loss: files follow what these change. */
  beforeDurable(work: () => void): void {
    this.#beforeDurable = work;
  }

  /**
   * Runs the function in a transaction that takes the write lock at its start, so that what it reads stays true.
   *
   * @param durable - whether the change survives a power loss that follows at once. Default: it may be lost, but
   * nothing is ever torn
   */
  transaction<T>(work: () => T, durable = false): T {
    if (this.#inTransaction) return work();
    if (durable) this.#beforeDurable();
    if (durable) this.exec('PRAGMA synchronous = FULL');
    try {
      this.#guard(() => this.#statement('BEGIN IMMEDIATE').run());
      this.#inTransaction = true;
      let result: T;
      try {
        result = work();
        this.#guard(() => this.#statement('COMMIT').run());
      } catch (error) {
        // When the disk was full SQLite has rolled back by itself.
        try {
          this.#driver.exec('ROLLBACK');
        } catch {
          /* there was none any more */
        }
        throw error;
      }
      return result;
    } finally {
      this.#inTransaction = false;
      if (durable) this.exec('PRAGMA synchronous = NORMAL');
    }
  }

  /** Closes the connection. */
  close(): void {
    this.#closed = true;
    this.#statements.clear();
    this.#driver.close();
  }

  #statement(sql: string): Statement {
    let statement = this.#statements.get(sql);
    if (!statement) {
      statement = this.#driver.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  #guard<T>(work: () => T): T {
    if (this.#closed) throw new VainaError('ERR_CLOSED', `the store at ${this.#path} was closed`);
    try {
      return work();
    } catch (error) {
      throw this.#describe(error);
    }
  }

  #describe(error: unknown): unknown {
    const path = this.#path;
    const why = error instanceof Error ? error.message : String(error);
    switch (sqlFailure(error)) {
      case 'full':
        return new VainaError('ERR_NO_SPACE', `no space left for the catalogue ${path}`, {
          path,
          cause: error,
        });
      case 'busy':
        return new VainaError('ERR_TIMEOUT', `the catalogue ${path} was locked for too long`, {
          path,
          cause: error,
        });
      case 'damaged':
        return new VainaError('ERR_STORE_DAMAGED', `the catalogue ${path} is damaged: ${why}`, {
          path,
          cause: error,
        });
      case 'read-only':
        return new VainaError('ERR_PERMISSION', `the catalogue ${path} cannot be written`, {
          path,
          cause: error,
        });
      case 'io':
        return new VainaError('ERR_IO', `the catalogue ${path} cannot be read or written: ${why}`, {
          path,
          cause: error,
        });
      default:
        return error;
    }
  }
}

/** What kind of failure an error of a statement is; `other` for what is none. */
export function sqlFailure(error: unknown): SqlFailure {
  if (typeof error !== 'object' || error === null) return 'other';
  const { code, errcode } = error as { code?: unknown; errcode?: unknown };
  // better-sqlite3 has the name, node:sqlite the number with its extension.
  if (typeof code === 'string' && code.startsWith('SQLITE_')) {
    if (code === 'SQLITE_CONSTRAINT_UNIQUE' || code === 'SQLITE_CONSTRAINT_PRIMARYKEY') return 'unique';
    if (code === 'SQLITE_CONSTRAINT_FOREIGNKEY' || code === 'SQLITE_CONSTRAINT_TRIGGER') return 'foreign-key';
    return BY_NAME[code.split('_')[1] ?? ''] ?? 'other';
  }
  if (typeof errcode !== 'number') return 'other';
  if (errcode === 2067 || errcode === 1555) return 'unique';
  if (errcode === 787 || errcode === 1811) return 'foreign-key';
  return BY_NUMBER[errcode & 0xff] ?? 'other';
}

const BY_NAME: Readonly<Record<string, SqlFailure>> = {
  FULL: 'full',
  BUSY: 'busy',
  LOCKED: 'busy',
  CORRUPT: 'damaged',
  NOTADB: 'damaged',
  READONLY: 'read-only',
  CANTOPEN: 'read-only',
  IOERR: 'io',
};
const BY_NUMBER: Readonly<Record<number, SqlFailure>> = {
  13: 'full',
  5: 'busy',
  6: 'busy',
  11: 'damaged',
  26: 'damaged',
  8: 'read-only',
  14: 'read-only',
  10: 'io',
};

interface NodeSqlite {
  DatabaseSync: new (path: string) => Driver;
}

type Constructor = new (path: string) => Driver;
let constructor: Constructor | undefined;

function openDriver(path: string): Driver {
  constructor ??= loadDriver();
  try {
    return new constructor(path);
  } catch (cause) {
    if (VainaError.is(cause)) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new VainaError('ERR_IO', `the catalogue ${path} cannot be opened: ${why}`, { path, cause });
  }
}

function loadDriver(): Constructor {
  const builtIn = quietly(() => load<NodeSqlite>('node:sqlite')?.DatabaseSync);
  if (builtIn) return builtIn;
  const package_ = load<typeof BetterSqlite>('better-sqlite3');
  if (package_) return package_;
  throw new VainaError('ERR_HOST_UNSUPPORTED', 'this Node.js has no SQLite', {
    hint: 'use Node.js 22.13 or later, or `npm install better-sqlite3`',
  });
}

function load<T>(name: string): T | undefined {
  try {
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- optional, and only known at run time
    return require(name) as T;
  } catch {
    return undefined;
  }
}

/** Node 22 prints that node:sqlite is experimental; a library prints nothing. */
function quietly<T>(work: () => T): T {
  const own = Object.getOwnPropertyDescriptor(process, 'emitWarning');
  process.emitWarning = () => undefined;
  try {
    return work();
  } finally {
    if (own) Object.defineProperty(process, 'emitWarning', own);
    else Reflect.deleteProperty(process, 'emitWarning');
  }
}
