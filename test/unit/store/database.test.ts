import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { VainaError } from '../../../lib/errors.js';
import { Database, sqlFailure } from '../../../lib/store/database.js';
import { migrate } from '../../../lib/store/schema.js';

describe('store/database', () => {
  let directory: string;
  let path: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'vaina-unit-'));
    path = join(directory, 'vaina.db');
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  it('keeps nothing of a transaction that failed', () => {
    const database = Database.open(path);
    database.exec('CREATE TABLE t (a INTEGER)');
    const failing = (): unknown =>
      database.transaction(() => {
        database.run('INSERT INTO t VALUES (1)');
        throw new Error('no');
      });
    expect(failing).to.throw('no');
    expect(database.all('SELECT * FROM t')).to.deep.equal([]);
    expect(database.transaction(() => database.run('INSERT INTO t VALUES (2)'), true)).to.equal(1);
    expect(database.all('SELECT a FROM t').map((row) => row['a'])).to.deep.equal([2]);
    database.close();
  });

  it('makes one transaction of nested ones', () => {
    const database = Database.open(path);
    database.exec('CREATE TABLE t (a INTEGER)');
    const failing = (): unknown =>
      database.transaction(() => {
        database.transaction(() => database.run('INSERT INTO t VALUES (1)'));
        throw new Error('outer');
      });
    expect(failing).to.throw('outer');
    expect(database.get('SELECT count(*) AS n FROM t')?.['n']).to.equal(0);
    database.close();
  });

  it('is durable only where it is asked to be', () => {
    const database = Database.open(path);
    const level = (): unknown => database.get('PRAGMA synchronous')?.['synchronous'];
    expect(level()).to.equal(1);
    expect(database.transaction(() => level(), true)).to.equal(2);
    expect(level()).to.equal(1);
    expect(database.get('PRAGMA journal_mode')?.['journal_mode']).to.equal('wal');
    expect(database.get('PRAGMA foreign_keys')?.['foreign_keys']).to.equal(1);
    database.close();
  });

  it('tells failures of both drivers apart', () => {
    expect(sqlFailure({ code: 'SQLITE_CONSTRAINT_UNIQUE' })).to.equal('unique');
    expect(sqlFailure({ code: 'SQLITE_CONSTRAINT_PRIMARYKEY' })).to.equal('unique');
    expect(sqlFailure({ code: 'SQLITE_CONSTRAINT_FOREIGNKEY' })).to.equal('foreign-key');
    expect(sqlFailure({ code: 'SQLITE_FULL' })).to.equal('full');
    expect(sqlFailure({ code: 'SQLITE_BUSY_SNAPSHOT' })).to.equal('busy');
    expect(sqlFailure({ code: 'SQLITE_CORRUPT' })).to.equal('damaged');
    expect(sqlFailure({ code: 'ERR_SQLITE_ERROR', errcode: 2067 })).to.equal('unique');
    expect(sqlFailure({ code: 'ERR_SQLITE_ERROR', errcode: 1555 })).to.equal('unique');
    expect(sqlFailure({ code: 'ERR_SQLITE_ERROR', errcode: 787 })).to.equal('foreign-key');
    expect(sqlFailure({ code: 'ERR_SQLITE_ERROR', errcode: 13 })).to.equal('full');
    expect(sqlFailure({ code: 'ERR_SQLITE_ERROR', errcode: 517 })).to.equal('busy');
    expect(sqlFailure(new Error('x'))).to.equal('other');
    expect(sqlFailure(null)).to.equal('other');
  });

  it('says so when the file is no database', () => {
    writeFileSync(path, 'this is not a database, whatever it is called'.repeat(100));
    expect(() => Database.open(path))
      .to.throw(VainaError)
      .with.property('code', 'ERR_STORE_DAMAGED');
  });

  it('brings an older catalogue to the present schema, with what is in it', () => {
    const database = Database.open(path);
    migrate(database, path);
    database.run(`INSERT INTO blobs (digest, size, media_type) VALUES ('sha256:1', 1, 'x')`);
    database.exec('DROP TABLE signatures; PRAGMA user_version = 4');
    migrate(database, path);
    database.run(`INSERT INTO signatures VALUES ('sha256:1', 0, x'99')`);
    database.run('DELETE FROM blobs');
    expect(database.all('SELECT * FROM signatures')).to.deep.equal([]);
    database.close();
  });

  it('migrates once and refuses what a newer engine has written', () => {
    const database = Database.open(path);
    migrate(database, path);
    database.run(`INSERT INTO containers VALUES ('1', 'one', NULL, 0, 0, '{}', '{}')`);
    migrate(database, path);
    expect(database.all('SELECT id FROM containers')).to.have.length(1);
    database.exec('PRAGMA user_version = 999');
    expect(() => migrate(database, path))
      .to.throw(VainaError)
      .with.property('code', 'ERR_STORE_VERSION');
    database.close();
  });
});
