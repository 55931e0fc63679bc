import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { expect } from 'chai';

const REPO = resolve(__dirname, '../..');

interface Manifest {
  exports: Record<string, { default: string } | string>;
}

/** Modules that are loaded after `program` ran, as paths within the repository. */
function loadedBy(program: string): string[] {
  const text = execFileSync(
    process.execPath,
    [
      '-r',
      join(REPO, 'test/support/hook.cjs'),
      '-e',
      `${program}; console.log(JSON.stringify(Object.keys(require.cache)))`,
    ],
    { cwd: REPO, encoding: 'utf8' },
  );
  return (JSON.parse(text) as string[]).map((path) => relative(REPO, path));
}

describe('the doors of the package', () => {
  const { exports } = JSON.parse(readFileSync(join(REPO, 'package.json'), 'utf8')) as Manifest;
  const doors = Object.values(exports).flatMap((entry) => (typeof entry === 'string' ? [] : [entry.default]));

  it('are the engine, and what needs none', () => {
    expect(doors).to.have.members([
      './dist/index.js',
      './dist/registry/index.js',
      './dist/signature/index.js',
      './dist/transports/index.js',
    ]);
  });

  it('load neither the addon nor the store, but for that of the engine', () => {
    const sources = doors
      .filter((path) => path !== './dist/index.js')
      .map((path) => path.replace('dist', 'lib').replace(/js$/, 'ts'));
    const loaded = loadedBy(sources.map((source) => `require('${source}')`).join(';'));
    expect(loaded).to.include.members(sources.map((source) => source.slice(2)));
    const unwanted =
      /\.node$|better-sqlite3|^lib\/(native|store|lifecycle)\/|^lib\/transports\/(sif|daemon)\//;
    expect(loaded.filter((path) => unwanted.test(path))).to.deep.equal([]);
  });

  it('load of the engine what looks at containers, and neither what makes them nor what moves images', () => {
    const loaded = loadedBy(`require('./lib/index.ts').Engine`);
    expect(loaded).to.include('lib/lifecycle/list.ts');
    const unwanted =
      /^lib\/lifecycle\/(create|start|exec)\.ts$|^lib\/(registry|registry-server|signature)\/|^lib\/transports\/(?!name\.ts)|^lib\/store\/(tar|check)\/(?!problem\.ts)|^node_modules\/(axios|commander|p-queue|semver|smol-toml|tar-stream|yaml)\//;
    expect(loaded.filter((path) => unwanted.test(path))).to.deep.equal([]);
  });
});
