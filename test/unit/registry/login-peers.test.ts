import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { getLogin, login, logout } from '../../../lib/registry/login.js';
import { registrySource } from '../../../lib/registry/source.js';
import { search } from '../../../lib/registry/search.js';
import { layoutEntries, makeImage, blobsOf, skopeo, writeTree } from '../../support/images.js';
import { MemorySink } from '../../support/memory-sink.js';
import { failure } from '../../support/memory-source.js';
import { copyOne, type OneImage } from '../../support/one-image.js';
import { nodeArguments, runProgram, until, type Ended } from '../../support/programs.js';
import { freePort, startRegistry, type RunningRegistry } from '../../support/registry.js';
import { requires } from '../../support/requires.js';

const user = { username: 'tester', password: 'pass:word with spaces' };

describe('logging in to a real registry', () => {
  requires('docker-registry', 'skopeo', 'podman');
  let directory: string;
  let registry: RunningRegistry;
  let env: NodeJS.ProcessEnv;
  let authFile: string;
  let conf: string;
  before(async function () {
    this.timeout(60_000);
    registry = await startRegistry({ tls: true, users: [user] });
  });
  after(() => registry?.stop());
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'vaina-system-login-'));
    mkdirSync(join(directory, 'run'), { mode: 0o700 });
    conf = join(directory, 'registries.conf');
    writeFileSync(conf, '');
    env = {
      PATH: `${directory}:${process.env['PATH'] ?? ''}`,
      HOME: directory,
      XDG_RUNTIME_DIR: join(directory, 'run'),
      CONTAINERS_REGISTRIES_CONF: conf,
    };
    authFile = join(directory, 'run/containers/auth.json');
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  const certs = (): { certDir: string } => ({ certDir: registry.certDir ?? '' });
  /** The command line, in a process of its own. */
  const vaina = (args: readonly string[], input = ''): Promise<Ended> =>
    runProgram(process.execPath, [...nodeArguments('lib/cli/main'), ...args], { env, input });
  const peer = (program: string, args: readonly string[], input = ''): Promise<Ended> =>
    runProgram(program, args, { env, input });

  it('verifies, keeps, and is read by podman and skopeo; and reads what they have written', async () => {
    const wrong = await failure(login(registry.host, { ...user, password: 'wrong', env, ...certs() }));
    expect(wrong.code).to.equal('ERR_UNAUTHORIZED');
    expect(existsSync(authFile)).to.equal(false);
    expect(await login(registry.host, { ...user, env, ...certs() })).to.deep.equal({
      key: registry.host,
      store: authFile,
    });
    expect(statSync(authFile).mode & 0o777).to.equal(0o600);
    for (const program of ['podman', 'skopeo']) {
      const known = await peer(program, ['login', '--get-login', registry.host]);
      expect(known.stdout, known.stderr).to.equal('tester\n');
    }
    const out = await peer('skopeo', ['logout', registry.host]);
    expect(out.exitCode, out.stderr).to.equal(0);
    expect(await getLogin(registry.host, { env })).to.equal(undefined);
    const flags = [
      'login',
      '--cert-dir',
      certs().certDir,
      '-u',
      user.username,
      '--password-stdin',
      registry.host,
    ];
    const theirs = await peer('skopeo', flags, user.password);
    expect(theirs.exitCode, theirs.stderr).to.equal(0);
    const written = readFileSync(authFile, 'utf8');
    expect(await getLogin(registry.host, { env })).to.equal('tester');
    await logout(registry.host, { env });
    expect((await peer('skopeo', ['login', '--get-login', registry.host])).exitCode).not.to.equal(0);
    await login(registry.host, { ...user, env, ...certs() });
    expect(JSON.parse(readFileSync(authFile, 'utf8'))).to.deep.equal(JSON.parse(written));
  });

  it('has on the command line the words of podman', async function () {
    this.timeout(60_000);
    const { certDir } = certs();
    const commands: [string[], string?][] = [
      [['login', '--get-login', registry.host]],
      [['login', '--cert-dir', certDir, '-u', 'tester', '--password-stdin', registry.host], 'wrong'],
      [['login', '--cert-dir', certDir, '-u', 'tester', '--password-stdin', registry.host], user.password],
      [['login', '--cert-dir', certDir, registry.host]],
      [['logout', registry.host]],
      [['logout', registry.host]],
    ];
    for (const [args, input] of commands) {
      const [ours, theirs] = [await vaina(args, input), await peer('podman', args, input)];
      // Both share the file, so that the second logs out of what the first has left: only its answer differs.
      if (args[0] === 'logout') {
        expect([ours.exitCode, theirs.exitCode]).to.deep.equal(ours.exitCode === 0 ? [0, 125] : [125, 125]);
        if (ours.exitCode === 0)
          expect(ours.stdout).to.equal(`Removed login credentials for ${registry.host}\n`);
        expect(theirs.stderr).to.equal(`Error: not logged into ${registry.host}\n`);
        continue;
      }
      expect(ours, args.join(' ')).to.deep.equal(theirs);
      expect(JSON.stringify(ours)).not.to.include(user.password);
    }
  });

  it('gives a credential helper the password to keep, and gets it from there', async () => {
    const kept = join(directory, 'kept');
    const helper = join(directory, 'docker-credential-kept');
    writeFileSync(
      helper,
      `#!/bin/sh
case $1 in
store) cat > ${kept};;
get) cat > /dev/null; [ -f ${kept} ] && cat ${kept} || { echo "credentials not found in native keychain"; exit 1; };;
erase) rm ${kept};;
esac
`,
    );
    chmodSync(helper, 0o755);
    writeFileSync(conf, 'credential-helpers = ["kept"]\n');
    await login(registry.host, { ...user, env, ...certs() });
    expect(existsSync(authFile)).to.equal(false);
    const known = await peer('podman', ['login', '--get-login', registry.host]);
    expect(known.stdout, known.stderr).to.equal('tester\n');
    // Nothing has been pushed: who may not ask would hear that, instead of a list without entries.
    expect(await search(`${registry.host}/`, { env, ...certs() })).to.deep.equal([]);
    await logout(registry.host, { env });
    expect(existsSync(kept)).to.equal(false);
    expect((await failure(search(`${registry.host}/`, { env, ...certs() }))).code).to.equal(
      'ERR_UNAUTHORIZED',
    );
  });

  it('pulls from a mirror while it is up, and searches as podman does', async function () {
    this.timeout(60_000);
    const [primary, mirror] = await Promise.all([startRegistry(), startRegistry()]);
    try {
      const image = await makeImage({});
      const layout = join(directory, 'layout');
      const entries = layoutEntries(
        [{ descriptor: image.manifest.descriptor, name: 'image' }],
        [...blobsOf(image), image.manifest.bytes],
      );
      writeTree(layout, entries);
      for (const place of [`${primary.host}/org/app`, `${mirror.host}/copies/app`])
        skopeo('copy', '--dest-tls-verify=false', `oci:${layout}:image`, `docker://${place}:1`);
      const rule = (mirrorHost: string): string => `unqualified-search-registries = ["${primary.host}"]
[[registry]]
prefix = "r.example/org"
location = "${primary.host}/org"
insecure = true
[[registry.mirror]]
location = "${mirrorHost}/copies"
insecure = true
[[registry]]
location = "${primary.host}"
insecure = true
`;
      const pull = async (): Promise<OneImage> => {
        const source = registrySource('r.example/org/app:1', { env, retryDelay: 1 });
        return copyOne(source, new MemorySink()).finally(() => source.close());
      };
      const blobs = (at: RunningRegistry): number =>
        at
          .log()
          .split('"GET /v2/')
          .filter((line) => /^[a-z/]+\/blobs\//.test(line)).length;
      writeFileSync(conf, rule(`127.0.0.1:${await freePort()}`));
      expect((await pull()).manifest.digest).to.equal(image.manifest.descriptor.digest);
      // A registry answers before it writes its log.
      const all = 1 + image.layers.length;
      await until('the blobs of the registry are in its log', () => blobs(primary) >= all);
      expect([blobs(primary), blobs(mirror)]).to.deep.equal([all, 0]);
      writeFileSync(conf, rule(mirror.host));
      expect((await pull()).manifest.digest).to.equal(image.manifest.descriptor.digest);
      await until('the blobs of the mirror are in its log', () => blobs(mirror) >= all);
      expect([blobs(primary), blobs(mirror)]).to.deep.equal([all, all]);
      for (const args of [
        ['search', '--list-tags', `${primary.host}/org/app`],
        ['search', '--format', 'json', 'org'],
        ['search', '--format', '{{.Index}} {{.Name}} {{.Stars}}', `${primary.host}/`],
      ]) {
        const [ours, theirs] = [await vaina(args), await peer('podman', args)];
        expect(ours.stdout, args.join(' ')).to.equal(theirs.stdout);
        expect(ours.exitCode, ours.stderr).to.equal(theirs.exitCode);
      }
    } finally {
      await Promise.all([primary.stop(), mirror.stop()]);
    }
  });
});
