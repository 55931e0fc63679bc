import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { VainaError } from '../../../lib/errors.js';
import { formatImageName } from '../../../lib/transports/name.js';
import {
  directorySources,
  fileSources,
  registrySources,
  type SyncSource,
} from '../../../lib/transports/sync-sources.js';
import { parseSyncFile } from '../../../lib/transports/sync-yaml.js';
import { syncImages } from '../../../lib/transports/sync-images.js';
import { failure } from '../../support/memory-source.js';

const DIGEST = `sha256:${'0'.repeat(64)}`;

const FILE = `
registry.example.com:
  images:
    busybox: []
    redis:
      - "1.0"
      - "${DIGEST}"
  images-by-tag-regex:
    nginx: ^1\\.13\\.[12]-alpine$
  images-by-semver:
    alpine: ">= 3.12, < 3.14"
  credentials:
    username: john
    password: this is a secret
  tls-verify: true
  cert-dir: /home/john/certs
quay.io:
  tls-verify: false
  images:
    coreos/etcd:
      - latest
`;

const TAGS: Record<string, string[]> = {
  busybox: ['1', 'latest'],
  nginx: ['1.13.1-alpine', '1.13.3-alpine', '1.13.2-alpine'],
  alpine: ['3.11', '3.12', 'v3.13.2', '3.14', 'edge', '3.13.0-rc1'],
};

const names = (sources: readonly SyncSource[]): string[][] =>
  sources.map(({ images }) => images.map(({ name }) => formatImageName(name)));

describe('transports: what is synchronised', () => {
  let directory: string;
  before(() => void (directory = mkdtempSync(join(tmpdir(), 'vaina-sync-'))));
  after(() => rmSync(directory, { recursive: true }));

  it('is the one image of a reference, or all of a repository', async () => {
    const ask = async (): Promise<string[]> => ['a', 'b'];
    const one = await registrySources('quay.io/x:1', {}, ask);
    expect(names(one)).to.deep.equal([['docker://quay.io/x:1']]);
    const all = await registrySources('quay.io/y/x', {}, ask);
    expect(names(all)).to.deep.equal([['docker://quay.io/y/x:a', 'docker://quay.io/y/x:b']]);
    expect(all[0]?.images[0]?.suffix).to.equal('quay.io/y/x:a');
    expect((await failure(registrySources('quay.io/y/x', {}, async () => []))).code).to.equal(
      'ERR_NO_SUCH_IMAGE',
    );
  });

  it('is every image below a directory, with its path below it', async () => {
    for (const name of ['busybox:1', 'host/deep/redis:2', 'empty']) {
      mkdirSync(join(directory, name), { recursive: true });
      if (name !== 'empty') writeFileSync(join(directory, name, 'manifest.json'), '{}');
    }
    const [source] = await directorySources(directory, {});
    expect(source?.images.map(({ suffix }) => suffix)).to.deep.equal(['busybox:1', 'host/deep/redis:2']);
    const [single] = await directorySources(join(directory, 'busybox:1/'), {});
    expect(single?.images.map(({ suffix }) => suffix)).to.deep.equal(['busybox:1']);
    expect((await failure(directorySources(join(directory, 'empty'), {}))).code).to.equal(
      'ERR_NO_SUCH_IMAGE',
    );
    expect((await failure(directorySources(join(directory, 'none'), {}))).code).to.equal('ERR_NO_SUCH_PATH');
  });

  it('is what a file names: all, tags and digests, an expression, versions', async () => {
    const path = join(directory, 'sync.yaml');
    writeFileSync(path, FILE);
    const warnings: string[] = [];
    const ask = async ({ path: repository }: { path: string }): Promise<string[]> => TAGS[repository] ?? [];
    const sources = await fileSources(path, { tries: 1 }, ask, (message) => warnings.push(message));
    const host = 'docker://registry.example.com';
    expect(names(sources)).to.deep.equal([
      [`${host}/busybox:1`, `${host}/busybox:latest`],
      [`${host}/redis:1.0`, `${host}/redis@${DIGEST}`],
      [`${host}/nginx:1.13.1-alpine`, `${host}/nginx:1.13.2-alpine`],
      [`${host}/alpine:3.12`, `${host}/alpine:v3.13.2`],
      ['docker://quay.io/coreos/etcd:latest'],
    ]);
    expect(sources[0]?.options).to.deep.equal({
      tries: 1,
      credentials: { username: 'john', password: 'this is a secret' },
      tlsVerify: true,
      certDir: '/home/john/certs',
    });
    expect(sources[4]?.options).to.deep.equal({ tries: 1, tlsVerify: false });
    expect(warnings).to.deep.equal([]);
  });

  it('leaves out a repository that cannot be listed, with a warning', async () => {
    const path = join(directory, 'partly.yaml');
    writeFileSync(path, 'a.example:\n  images:\n    gone: []\n    here: ["1"]\nb.example: {}\n');
    const warnings: string[] = [];
    const ask = async (): Promise<string[]> => {
      throw new VainaError('ERR_REGISTRY', 'not today');
    };
    const sources = await fileSources(path, {}, ask, (message) => warnings.push(message));
    expect(names(sources)).to.deep.equal([['docker://a.example/here:1']]);
    expect(warnings).to.have.length(2);
    expect(warnings[0]).to.include('a.example/gone').and.to.include('not today');
  });

  it('is refused where the file is not as it must be, without saying what is secret', async () => {
    const wrong: Record<string, string> = {
      '[': 'is not YAML',
      '- a': 'must be a map',
      'a:\n  images: 3': 'a.images must be a map',
      'a:\n  images:\n    x: [1.0]': 'put it in quotes',
      'a:\n  other: {}': 'is not a key that is known',
      'a:\n  tls-verify: maybe': 'must be true or false',
      'a:\n  credentials: {username: u, password: 12345}': 'as text',
    };
    for (const [text, words] of Object.entries(wrong)) {
      const error = await failure(parseSyncFile(text, 'f.yaml'));
      expect(error.code, text).to.equal('ERR_INVALID_OPTION');
      expect(error.message).to.include(words).and.not.to.include('12345');
    }
    const path = join(directory, 'bad.yaml');
    for (const rule of ['images-by-tag-regex: {x: "("}', 'images-by-semver: {x: "one"}']) {
      writeFileSync(path, `a:\n  ${rule}\n`);
      expect(
        (
          await failure(
            fileSources(
              path,
              {},
              async () => [],
              () => undefined,
            ),
          )
        ).code,
      ).to.equal('ERR_INVALID_OPTION');
    }
  });

  it('is nothing from directory to directory, and no option that is unknown', async () => {
    const dir = { transport: 'dir', place: '/a' } as const;
    expect((await failure(syncImages(dir, dir))).message).to.include('rsync');
    const bad = syncImages(dir, { transport: 'docker', place: 'x' }, { scope: true } as never);
    expect((await failure(bad)).message).to.include('no syncImages option scope');
  });
});
