import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { Engine, type VainaError } from '../../lib/index.js';
import { expectError } from '../support/containers.js';
import { blobsOf, layoutEntries, makeImage, writeTree } from '../support/images.js';
import { checkLeftovers } from '../support/leftovers.js';
import { Podman } from '../support/podman.js';
import { makeDirectory, nodeArguments, removeDirectory, REPO } from '../support/programs.js';
import { findProgram, requires } from '../support/requires.js';
import { checkoutFor, createUser, removeUser, runAsUser, type TestUser } from '../support/users.js';

const NAME = 'localhost/scp/app:1';

describe('images between stores', function () {
  checkLeftovers();
  describe('of users, machines and engines', scp);
});

function scp(this: Mocha.Suite): void {
  this.timeout(60_000);
  requires('root', 'podman', 'useradd', 'setpriv', 'newuidmap');
  let directory: string;
  let engine: Engine;
  let other: Engine;
  let podman: Podman;
  let user: TestUser;
  let id: string;
  let digest: string;
  let path: string | undefined;
  const at = (name: string): string => join(directory, name);
  const options = { insecurePolicy: true };
  const asked = (): string[] => readFileSync(at('asked'), 'utf8').trim().split('\n');

  /** A program for the PATH of the test. */
  const program = (name: string, script: string): void => {
    writeFileSync(at(`bin/${name}`), `#!/bin/sh\n${script}\n`);
    chmodSync(at(`bin/${name}`), 0o755);
  };

  before(async () => {
    directory = makeDirectory();
    chmodSync(directory, 0o755);
    for (const name of ['bin', 'far']) mkdirSync(at(name));
    engine = await Engine.open({ root: at('root'), runroot: at('run'), ...options });
    other = await Engine.open({ root: at('far/root'), runroot: at('far/run'), ...options });
    podman = new Podman(directory);
    user = createUser('vainascp');
    const image = await makeImage();
    const entry = { descriptor: image.manifest.descriptor, name: NAME };
    writeTree(at('layout'), layoutEntries([entry], blobsOf(image)));
    ({ id, digest } = await engine.images.pull(`oci:${at('layout')}:${NAME}`));

    const vaina = nodeArguments('lib/cli/main').map((word) => word.replace(REPO, checkoutFor(user)));
    program(
      'vaina',
      `[ -n "$FAR" ] && set -- --root ${at('far/root')} --runroot ${at('far/run')} "$@"
exec ${[process.execPath, ...vaina].join(' ')} "$@"`,
    );
    program('podman', `exec ${[findProgram('podman'), ...podman.arguments()].join(' ')} "$@"`);
    program(
      'ssh',
      `echo "$@" >> ${at('asked')}
while [ "$1" != -- ]; do shift; done
[ "$2" = lost ] && { echo 'ssh: Could not resolve hostname lost' >&2; exit 255; }
[ "$2" = plain ] && PATH=${at('plain')}:/usr/bin:/bin
FAR=1 exec sh -c "$3"`,
    );
    mkdirSync(at('plain'));
    writeFileSync(at('plain/podman'), readFileSync(at('bin/podman')), { mode: 0o755 });
    path = process.env['PATH'];
    process.env['PATH'] = `${at('bin')}:${path ?? ''}`;
  });
  after(async () => {
    if (path !== undefined) process.env['PATH'] = path;
    await engine?.close();
    await other?.close();
    podman?.dispose();
    if (user !== undefined) removeUser(user.name);
    removeDirectory(directory);
  });

  it('go to podman and come back', async () => {
    const told = await engine.images.scp(NAME, 'localhost::', { engine: 'podman' });
    expect(told).to.deep.equal([NAME]);
    const shown = podman.output('image', 'inspect', '--format', '{{.Id}} {{.Digest}}', NAME).trim();
    expect(shown).to.equal(`${id} ${digest}`);
    await (await engine.images.get(NAME)).remove();
    expect(await engine.images.scp(`localhost::${NAME}`, undefined, { engine: 'podman' })).to.deep.equal([
      NAME,
    ]);
    // Podman compresses the layers anew, so that the manifest is another one.
    expect((await engine.images.get(NAME)).id).to.equal(id);
    podman.output('rmi', NAME);
  });

  it('go to the store of another user and come back', async () => {
    expect(await engine.images.scp(NAME, `${user.name}@localhost::`)).to.deep.equal([NAME]);
    const listed = await runAsUser(user, 'lib/cli/main', ['images', '--no-trunc', '--format', '{{.ID}}']);
    expect(listed.stdout.trim(), listed.stderr).to.equal(`sha256:${id}`);
    await (await engine.images.get(NAME)).remove();
    // The user is root here: that place is the engine's own store.
    expect(await engine.images.scp(`${user.name}@localhost::${NAME}`, 'root@localhost::')).to.deep.equal([
      NAME,
    ]);
    expect((await engine.images.get(NAME)).id).to.equal(id);
    const refused = await runAsUser(user, 'lib/cli/main', ['image', 'scp', NAME, 'root@localhost::']);
    expect(refused.exitCode).to.equal(125);
    expect(refused.stderr).to.include('only root reaches the store of root');
  });

  it('go to another machine by ssh, to vaina where it is and else to podman, and come back', async () => {
    expect(await engine.images.scp(NAME, 'me@far.example:2222::')).to.deep.equal([NAME]);
    expect(asked().at(-1)).to.match(/^-p 2222 -- me@far\.example sh -c 'if command -v vaina .* load; fi'$/);
    const { digest: here } = await engine.images.get(NAME);
    expect((await other.images.get(NAME)).digest).to.equal(here);
    await (await engine.images.get(NAME)).remove();
    expect(await engine.images.scp(`far.example::${NAME}`)).to.deep.equal([NAME]);
    expect((await engine.images.get(NAME)).id).to.equal(id);
    expect(await engine.images.scp(NAME, 'plain::')).to.deep.equal([NAME]);
    expect(podman.output('image', 'inspect', '--format', '{{.Id}}', NAME).trim()).to.equal(id);
    await (await other.images.get(NAME)).remove();
  });

  it('go from one machine to another', async () => {
    expect(await engine.images.scp(`plain::${NAME}`, '[fe80::1]::')).to.deep.equal([NAME]);
    expect(asked().at(-1)).to.include('-- fe80::1 sh -c');
    expect((await other.images.get(NAME)).id).to.equal(id);
    await (await other.images.get(NAME)).remove();
  });

  it('go where a connection of podman says', async () => {
    const before = process.env['CONTAINERS_CONF'];
    const file = at('containers.conf');
    writeFileSync(file, '');
    process.env['CONTAINERS_CONF'] = file;
    try {
      const add = (...words: string[]): string => podman.output('system', 'connection', 'add', ...words);
      writeFileSync(at('key'), '');
      add('work', '--identity', at('key'), 'ssh://me@far.example:2222/run/podman/podman.sock');
      add('machine', 'ssh://core@localhost/run/podman/podman.sock');
      add('here', `unix://${at('none.sock')}`);
      expect(await engine.images.scp(NAME, 'work::')).to.deep.equal([NAME]);
      expect(asked().at(-1)).to.include(`-p 2222 -i ${at('key')} -- me@far.example sh -c`);
      await (await engine.images.get(NAME)).remove();
      expect(await engine.images.scp(`machine::${NAME}`)).to.deep.equal([NAME]);
      expect(asked().at(-1)).to.match(/^-p 22 -- core@localhost sh -c/);
      expect((await engine.images.get(NAME)).id).to.equal(id);
      const error = await expectError('ERR_UNSUPPORTED', engine.images.scp(NAME, 'here::'));
      expect(error.message).to.include('does not go by ssh');
      await (await other.images.get(NAME)).remove();
    } finally {
      if (before === undefined) delete process.env['CONTAINERS_CONF'];
      else process.env['CONTAINERS_CONF'] = before;
    }
  });

  it('that cannot go are refused, with what the other side says', async () => {
    const refuse = async (code: VainaError['code'], words: string, ...args: [string, string?]) => {
      const error = await expectError(code, engine.images.scp(...args));
      expect(error.message).to.include(words);
    };
    await refuse('ERR_INVALID_OPTION', 'must specify a destination', NAME);
    await refuse('ERR_INVALID_OPTION', 'a source image must be specified', 'far::', 'near::');
    await refuse('ERR_INVALID_OPTION', 'renaming of an image', NAME, 'far::other:1');
    await refuse('ERR_INVALID_OPTION', 'is in the store', `localhost::${NAME}`);
    await refuse('ERR_INVALID_OPTION', 'does not name a host', NAME, '-oProxyCommand=x::');
    await refuse('ERR_INVALID_OPTION', 'does not name a host', NAME, 'a b::');
    await refuse('ERR_INVALID_REFERENCE', '', "far::a'; touch /tmp/x; '");
    await refuse('ERR_INVALID_REFERENCE', '', 'far::--help');
    await refuse('ERR_UNSUPPORTED', 'socket', NAME, 'me@far/run/podman.sock::');
    await refuse('ERR_NO_SUCH_IMAGE', '', 'nosuch:1', 'far::');
    await refuse('ERR_NO_SUCH_USER', 'nobody-here', NAME, 'nobody-here@localhost::');
    await refuse('ERR_PEER_FAILED', 'ssh lost failed: ssh: Could not resolve', NAME, 'lost::');
    await refuse('ERR_PEER_FAILED', 'ssh lost failed: ssh: Could not resolve', `lost::${NAME}`);
    await refuse('ERR_PEER_FAILED', 'ssh lost failed', `lost::${NAME}`, 'far::');
    await refuse('ERR_PEER_FAILED', 'nosuch', 'far::localhost/nosuch:1');
    await expectError(
      'ERR_INVALID_OPTION',
      engine.images.scp(NAME, 'far::', { engine: 'docker' as 'podman' }),
    );
    process.env['PATH'] = at('nowhere');
    try {
      await refuse('ERR_HOST_UNSUPPORTED', 'the program ssh cannot be started', NAME, 'far::');
    } finally {
      process.env['PATH'] = `${at('bin')}:${path ?? ''}`;
    }
    expect(existsSync('/tmp/x')).to.equal(false);
    expect(await engine.check()).to.deep.equal([]);
  });

  it('stop when they are told to', async () => {
    program('ssh', 'exec sleep 60');
    const stop = new AbortController();
    const work = engine.images.scp(NAME, 'far::', { signal: stop.signal });
    setTimeout(() => stop.abort(new Error('enough')), 200);
    expect(await work.then(String, String)).to.equal('Error: enough');
  });
}
