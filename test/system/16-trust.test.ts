import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import { processHost } from '../../lib/cli/host.js';
import { main } from '../../lib/cli/program.js';
import { digestOf } from '../../lib/oci/digest.js';
import { setTrust, showTrust } from '../../lib/signature/trust.js';
import { standaloneVerify } from '../../lib/signature/standalone.js';
import { copyImage } from '../../lib/transports/copy-image.js';
import { signImage } from '../../lib/transports/sign-image.js';
import { GpgHome } from '../support/gpg.js';
import {
  blobsOf,
  layoutEntries,
  makeImage,
  makeIndex,
  writeTree,
  type TestImage,
} from '../support/images.js';
import { checkLeftovers } from '../support/leftovers.js';
import { Podman } from '../support/podman.js';
import { startRegistry, type RunningRegistry } from '../support/registry.js';
import { findProgram, requires } from '../support/requires.js';
import { failure } from '../support/memory-source.js';

interface Said {
  status: number | null;
  stdout: string;
  stderr: string;
}

describe('trust', function () {
  checkLeftovers();
  describe('beside podman', trust);
});

function trust(this: Mocha.Suite): void {
  this.timeout(60_000);
  requires('root', 'gpg', 'podman', 'docker-registry');
  let directory: string;
  let home: GpgHome;
  let podman: Podman;
  let registry: RunningRegistry;
  let alice: string;
  let images: TestImage[];
  let index: ReturnType<typeof makeIndex>;
  const saved: Record<string, string | undefined> = {};
  const at = (name: string): string => join(directory, name);
  const setVariable = (name: string, value: string): void => {
    saved[name] = process.env[name];
    process.env[name] = value;
  };
  /** Ours and podman's, with the same words. */
  const ours = async (...words: string[]): Promise<Said> => {
    const said: Said = { status: null, stdout: '', stderr: '' };
    const write = (fd: 1 | 2, data: string | Uint8Array): void => {
      said[fd === 1 ? 'stdout' : 'stderr'] += Buffer.from(data as Uint8Array).toString();
    };
    said.status = await main(['image', ...words], { ...processHost(), write });
    return said;
  };
  const theirs = (...words: string[]): Said => {
    const { status, stdout, stderr } = spawnSync('podman', podman.arguments('image', ...words), {
      encoding: 'utf8',
    });
    return { status, stdout, stderr };
  };

  before(async () => {
    directory = mkdtempSync('/tmp/vaina-trust-');
    home = new GpgHome(directory);
    podman = new Podman(directory);
    registry = await startRegistry();
    alice = home.makeKey('alice');
    writeFileSync(at('alice.gpg'), home.exportKeys(alice));
    writeFileSync(at('both.gpg'), home.exportKeys(alice, home.makeKey('bob')));
    mkdirSync(at('bin'));
    // Podman asks the program by the name that it had when there were two of it.
    symlinkSync(findProgram('gpg') ?? '', at('bin/gpg2'));
    mkdirSync(at('registries.d'));
    writeFileSync(
      at('registries.d/all.yaml'),
      `default-docker:\n  sigstore: file://${at('default')}\ndocker:\n  ${registry.host}/test:\n    lookaside: file://${at('read')}\n    lookaside-staging: file://${at('staging')}\n`,
    );
    writeFileSync(at('registries.conf'), `[[registry]]\nlocation = "${registry.host}"\ninsecure = true\n`);
    setVariable('GNUPGHOME', home.directory);
    setVariable('PATH', `${at('bin')}:${process.env['PATH'] ?? ''}`);
    setVariable('CONTAINERS_REGISTRIES_CONF', at('registries.conf'));

    images = [
      await makeImage(),
      await makeImage({ platform: { os: 'linux', architecture: 'riscv64' }, config: { Cmd: ['x'] } }),
    ];
    index = makeIndex(images);
    const entry = { descriptor: index.descriptor, name: 'list' };
    writeTree(at('layout'), layoutEntries([entry], [...images.flatMap(blobsOf), index.bytes]));
    const layout = `oci:${at('layout')}:list`;
    await copyImage(layout, `docker://${registry.host}/test/list:1`, { insecurePolicy: true, all: true });
  });
  after(async () => {
    for (const [name, value] of Object.entries(saved)) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
    home?.close();
    podman?.dispose();
    await registry?.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  it('is shown in podman’s words', async () => {
    const policy = {
      default: [{ type: 'insecureAcceptAnything' }],
      transports: {
        'docker-daemon': { '': [{ type: 'reject' }] },
        docker: {
          [`${registry.host}/test`]: [
            { type: 'signedBy', keyType: 'GPGKeys', keyPath: at('both.gpg') },
            { type: 'reject' },
          ],
          [`${registry.host}/test/deeper`]: [
            { type: 'signedBy', keyType: 'GPGKeys', keyData: home.exportKeys(alice).toString('base64') },
          ],
          'other.example': [{ type: 'sigstoreSigned', keyPath: '/nowhere' }],
        },
      },
    };
    const path = at('shown.json');
    writeFileSync(path, JSON.stringify(policy));
    const files = ['--policypath', path, '--registrypath', at('registries.d')];
    for (const more of [[], ['-n'], ['--json'], ['--raw'], ['other.example']]) {
      const words = ['trust', 'show', ...files, ...more];
      expect((await ours(...words)).stdout, words.join(' ')).to.equal(theirs(...words).stdout);
    }
    expect((await ours('trust', 'show', ...files)).stdout).to.include('alice@test.example, bob@test.example');
    const { rows } = await showTrust({ policyPath: path, registriesDir: at('registries.d') });
    expect(rows.map(({ transport, scope, keyIds }) => [transport, scope, keyIds.length])).to.deep.equal([
      [undefined, '', 0],
      ['docker', `${registry.host}/test`, 2],
      ['docker', `${registry.host}/test`, 0],
      ['docker', `${registry.host}/test/deeper`, 1],
      ['docker', 'other.example', 0],
      ['docker-daemon', '', 0],
    ]);
    expect(rows[1]?.lookaside).to.equal(`file://${at('read')}`);
    expect((await ours('trust', 'show', '--policypath', at('none.json'))).status).to.equal(125);
  });

  it('keys that cannot be read are a warning', async () => {
    const keyPath = at('no-key');
    writeFileSync(keyPath, 'this is no key');
    const signedBy = [{ type: 'signedBy', keyType: 'GPGKeys', keyPath }];
    writeFileSync(at('odd.json'), JSON.stringify({ default: signedBy }));
    const warnings: string[] = [];
    const shown = await showTrust({
      policyPath: at('odd.json'),
      onWarning: (message) => void warnings.push(message),
    });
    expect(shown.rows.map(({ keyIds }) => keyIds)).to.deep.equal([[]]);
    expect(warnings.join()).to.include('it is no public key');
  });

  it('is set as podman sets it, byte for byte', async () => {
    const [own, peer] = [at('own.json'), at('peer.json')];
    const both = async (...words: string[]): Promise<void> => {
      const said = await ours('trust', 'set', '--policypath', own, ...words);
      const told = theirs('trust', 'set', '--policypath', peer, ...words);
      expect([said.status, said.stdout], words.join(' ')).to.deep.equal([told.status, told.stdout]);
      expect(existsSync(own)).to.equal(existsSync(peer));
      if (existsSync(own)) expect(readFileSync(own, 'utf8')).to.equal(readFileSync(peer, 'utf8'));
    };
    await both('-t', 'reject', 'registry.example');
    await both('-t', 'accept', 'default');
    await both('-t', 'reject', 'registry.example');
    await both('-f', at('alice.gpg'), 'registry.example/app');
    await both('-t', 'sigstoreSigned', '-f', `${at('alice.gpg')},${at('both.gpg')}`, 'a.example');
    await both('-t', 'insecureAcceptAnything', 'registry.example');
    for (const words of [
      ['registry.example'],
      ['-t', 'accept', '-f', at('alice.gpg'), 'registry.example'],
      ['-t', 'weird', 'registry.example'],
      ['-t', 'reject', 'a b'],
      ['-t', 'reject'],
      ['-t', 'reject', 'a', 'b'],
    ])
      await both(...words);
    const missing = await ours('trust', 'set', '--policypath', own, '-f', at('missing'), 'b.example');
    expect(missing.status).to.equal(125);
    expect(readFileSync(own, 'utf8')).to.equal(readFileSync(peer, 'utf8'));
    const bare = setTrust('b.example', { type: 'reject', policyPath: at('new.json') });
    expect((await failure(bare)).code).to.equal('ERR_INVALID_OPTION');
    expect(existsSync(at('new.json'))).to.equal(false);
  });

  it('of who names no policy is that of the user, and of a user without one it is made', async () => {
    const user = join(at('user'), '.config/containers/policy.json');
    mkdirSync(dirname(user), { recursive: true });
    writeFileSync(user, JSON.stringify({ default: [{ type: 'reject' }] }));
    const env = { HOME: at('user') };
    expect(await setTrust('a.example', { type: 'accept', env })).to.equal(user);
    const { path, rows } = await showTrust({ env, registriesDir: at('none') });
    expect(path).to.equal(user);
    expect(rows.map(({ scope, type }) => [scope, type])).to.deep.equal([
      ['', 'reject'],
      ['a.example', 'insecureAcceptAnything'],
    ]);
  });

  it('signatures are written where podman writes them, and each verifies for what it signs', async () => {
    const name = `docker://${registry.host}/test/list:1`;
    const reference = name.slice('docker://'.length);
    for (const who of ['own', 'peer']) mkdirSync(at(`${who}-signatures`));
    const [own, peer] = [at('own-signatures'), at('peer-signatures')];
    for (const more of [[], ['--all'], []]) {
      const words = ['sign', '--sign-by', alice, ...more, '--directory'];
      const said = await ours(...words, own, name);
      expect(said, said.stderr).to.deep.equal({ status: 0, stdout: '', stderr: '' });
      const told = theirs(...words, peer, name);
      expect(told.status, told.stderr).to.equal(0);
    }
    const files = (place: string): string[] =>
      readdirSync(place, { recursive: true, encoding: 'utf8' })
        .filter((path) => path.includes('signature-'))
        .sort();
    expect(files(own)).to.deep.equal(files(peer));
    expect(files(own)).to.have.length(4);
    for (const [place, all] of [own, peer].map((one) => [one, files(one)] as const)) {
      for (const path of all) {
        const manifest = [index, ...images.map((image) => image.manifest)].find(({ bytes }) =>
          path.includes(digestOf(bytes).replace(':', '=')),
        );
        const verified = await standaloneVerify(
          manifest?.bytes ?? Buffer.alloc(0),
          reference,
          { fingerprints: [alice], gnupgHome: home.directory },
          readFileSync(join(place, path)),
        );
        expect(verified.signer).to.equal(alice);
      }
    }
  });

  it('signatures without a directory go to the staging place of registries.d, beside those that are there', async () => {
    const name = `docker://${registry.host}/test/list:1`;
    const sign = async (): Promise<string[]> =>
      (await signImage(name, { signBy: alice, registriesDir: at('registries.d') })).map(({ path }) => path);
    const base = `${at('staging')}/test/list@${index.descriptor.digest.replace(':', '=')}`;
    expect([...(await sign()), ...(await sign())]).to.deep.equal([
      `${base}/signature-1`,
      `${base}/signature-2`,
    ]);
    expect(readdirSync(base).sort()).to.deep.equal(['signature-1', 'signature-2']);
  });

  it('what cannot be signed is refused', async () => {
    const name = `docker://${registry.host}/test/list:1`;
    const layout = `oci:${at('layout')}:list`;
    const key = { signBy: alice };
    expect((await failure(signImage(layout, key))).message).to.include('cannot determine what to call');
    expect((await failure(signImage(name, { ...key, directory: at('nowhere') }))).code).to.equal(
      'ERR_NO_SUCH_PATH',
    );
    expect((await failure(signImage(name, { signBy: 'nobody@nowhere' }))).code).to.equal(
      'ERR_INVALID_SIGNATURE',
    );
    const one = `docker://${registry.host}/test/list@${images[0]?.manifest.descriptor.digest ?? ''}`;
    expect((await failure(signImage(one, { ...key, all: true }))).message).to.include(
      'is not a multi-architecture image',
    );
    for (const words of [
      ['sign', name],
      ['sign', '--sign-by', alice],
      ['sign', '--sign-by', alice, '--directory', at('nowhere'), name],
    ])
      expect([(await ours(...words)).status, theirs(...words).status]).to.deep.equal([125, 125]);
  });
}
