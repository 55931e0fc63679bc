import { execFileSync } from 'node:child_process';
import { join, resolve } from 'node:path';
import { expect } from 'chai';
import { failure } from '../../support/memory-source.js';
import * as door from '../../../lib/registry/index.js';

const REPO = resolve(__dirname, '../../..');

describe('vaina/registry', () => {
  it('is what the package says', () => {
    expect(Object.keys(door)).to.include.members([
      'RegistryClient',
      'VainaError',
      'catalog',
      'copy',
      'deleteManifest',
      'deleteTag',
      'listTags',
      'parseReference',
      'ping',
      'referrers',
      'registrySink',
      'registrySource',
    ]);
  });

  it('loads neither the addon nor the store, and no HTTP library before the first request', () => {
    const program = `
      const { registrySource, registrySink } = require('./lib/registry/index.ts');
      registrySource('a'); registrySink('b');
      const before = Object.keys(require.cache);
      registrySource('127.0.0.1:1/a', { tries: 1 }).manifest().catch(() => undefined).then(() => {
        console.log(JSON.stringify({ before, after: Object.keys(require.cache) }));
      });`;
    const text = execFileSync(process.execPath, ['-r', join(REPO, 'test/support/hook.cjs'), '-e', program], {
      cwd: REPO,
      encoding: 'utf8',
    });
    const { before, after } = JSON.parse(text) as { before: string[]; after: string[] };
    const unwanted = /\.node$|better-sqlite3|\/lib\/(native|store|lifecycle)\//;
    expect(before.filter((path) => unwanted.test(path) || path.includes('/axios/'))).to.deep.equal([]);
    expect(after.filter((path) => unwanted.test(path))).to.deep.equal([]);
    expect(after.some((path) => path.includes('/axios/'))).to.equal(true);
  });

  it('refuses options that do not exist, also those of one call', async () => {
    for (const call of [
      () => door.listTags('a', { pagesize: 5 } as object),
      () => door.listTags('a', { pageSize: 0 }),
      () => door.deleteManifest('a', { force: true } as object),
      () => door.ping('a', { pageSize: 5 } as object),
    ]) {
      expect((await failure(call())).code).to.equal('ERR_INVALID_OPTION');
    }
    expect(() => door.registrySource('a', { trys: 5 } as object))
      .to.throw()
      .with.property('code', 'ERR_INVALID_OPTION');
  });
});
