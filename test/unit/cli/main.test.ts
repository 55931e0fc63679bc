import { expect } from 'chai';
import { VainaError } from '../../../lib/errors.js';
import { main } from '../../../lib/cli/program.js';
import { containerRow, World } from './fake.js';

describe('cli', () => {
  let world: World;
  beforeEach(() => {
    world = new World();
    world.containers = [
      containerRow({ name: 'web', status: 'running', pid: 7 }),
      containerRow({ name: 'old' }),
    ];
  });

  const failure = async (...argv: string[]): Promise<[number, string]> => {
    const code = await world.run(...argv);
    return [code, world.err];
  };

  it('refuses what it does not know, in the words of podman', async () => {
    expect(await failure('frobnicate')).to.deep.equal([
      125,
      "Error: unrecognized command `vaina frobnicate`\nTry 'vaina --help' for more information\n",
    ]);
    world.err = '';
    expect(await failure('container', 'frobnicate')).to.deep.equal([
      125,
      "Error: unrecognized command `vaina container frobnicate`\nTry 'vaina container --help' for more information\n",
    ]);
    world.err = '';
    expect(await failure('--foo')).to.deep.equal([125, "Error: unknown flag: --foo\nSee 'vaina --help'\n"]);
    world.err = '';
    expect(await failure('run', '--foo', 'img')).to.deep.equal([
      125,
      "Error: unknown flag: --foo\nSee 'vaina run --help'\n",
    ]);
    world.err = '';
    expect(await failure('run', '-Z')).to.deep.equal([
      125,
      "Error: unknown shorthand flag: 'Z' in -Z\nSee 'vaina run --help'\n",
    ]);
    world.err = '';
    expect(await failure('container', 'run', '--name')).to.deep.equal([
      125,
      "Error: flag needs an argument: --name\nSee 'vaina container run --help'\n",
    ]);
    world.err = '';
    expect(await failure('run', '--rm=maybe', 'img')).to.deep.equal([
      125,
      `Error: invalid argument "maybe" for "--rm" flag: strconv.ParseBool: parsing "maybe": invalid syntax\nSee 'vaina run --help'\n`,
    ]);
    world.err = '';
    expect(await failure('run', '--cpus', 'abc', 'img')).to.deep.equal([
      125,
      `Error: invalid argument "abc" for "--cpus" flag: strconv.ParseFloat: parsing "abc": invalid syntax\nSee 'vaina run --help'\n`,
    ]);
    expect(world.calls).to.deep.equal([]);
  });

  it('prints help and versions without opening a store', async () => {
    for (const argv of [
      ['--help'],
      ['help'],
      ['run', '--help'],
      ['image', '--help'],
      ['version'],
      ['--version'],
    ]) {
      expect(await world.run(...argv), argv.join(' ')).to.equal(0);
    }
    expect(world.opened).to.equal(undefined);
    expect(world.out).to.contain('Usage:\n  vaina [options] [command]');
    expect(world.out).to.contain('Usage:\n  vaina run [options] IMAGE [COMMAND [ARG...]]');
    expect(world.out).to.match(/ {2}-e, --env stringArray +Set environment variables in container/);
    expect(world.out).to.match(/vaina version \d+\.\d+\.\d+/);
  });

  it('fails without a command', async () => {
    expect(await world.run()).to.equal(125);
    expect(world.out).to.contain('Available Commands:');
    expect(world.err).to.equal("Error: missing command 'vaina COMMAND'\n");
  });

  it('takes the global flags before and after the command, the last one winning', async () => {
    await world.run('--root', '/a', '--runroot=/b', 'ps');
    expect(world.opened).to.deep.equal({ root: '/a', runroot: '/b' });
    await world.run('--root', '/a', 'ps', '--root', '/c');
    expect(world.opened).to.deep.equal({ root: '/c' });
    await world.run('ps');
    expect(world.opened).to.deep.equal({});
    expect(await world.run('--log-level', 'loud', 'ps')).to.equal(1);
    expect(world.err).to.contain('Log Level "loud" is not supported');
  });

  it('closes the engine, whatever happened', async () => {
    await world.run('ps');
    expect(world.closed).to.equal(1);
    world.failures['containers.list'] = new VainaError('ERR_IO', 'the disk is on fire');
    expect(await world.run('ps')).to.equal(125);
    expect(world.closed).to.equal(2);
  });

  it('says what an error of the library says, its hint after it, and all of it with --log-level debug', async () => {
    world.failures['containers.list'] = new VainaError('ERR_IO', 'cannot read /x', {
      hint: 'look at the disk',
      errno: 'EIO',
      cause: new Error('deeper'),
    });
    await world.run('ps');
    expect(world.err).to.equal('Error: cannot read /x: look at the disk\n');
    world.err = '';
    await world.run('--log-level=debug', 'ps');
    expect(world.err)
      .to.contain('errno="EIO"')
      .and.to.contain('ERR_IO')
      .and.to.contain('caused by: Error: deeper');
  });

  it('reads flags anywhere, or only before the first argument where what follows is a command', async () => {
    await world.run('rm', 'web', '-f', 'old', '-t0');
    expect(world.called('container.remove')).to.deep.equal([
      ['web', { force: true, timeout: 0 }],
      ['old', { force: true, timeout: 0 }],
    ]);
    await world.run('exec', '-i', 'web', 'ls', '-l', '--', '--root', '/x');
    expect(world.called('container.execStart')[0]?.[1]).to.deep.equal(['ls', '-l', '--', '--root', '/x']);
    await world.run('exec', '--', 'web', '-x');
    expect(world.called('container.execStart')[1]?.[1]).to.deep.equal(['-x']);
  });

  it('has podman’s grouped forms', async () => {
    for (const argv of [
      ['container', 'ls', '-a'],
      ['container', 'ps', '-a'],
      ['container', 'list', '-a'],
    ]) {
      expect(await world.run(...argv)).to.equal(0);
    }
    expect(world.called('containers.list')).to.deep.equal([
      [{ all: true }],
      [{ all: true }],
      [{ all: true }],
    ]);
    for (const argv of [
      ['image', 'ls'],
      ['image', 'list'],
      ['image', 'pull', 'x'],
      ['container', 'stop', 'web'],
      ['container', 'inspect', 'web'],
    ]) {
      expect(await world.run(...argv), argv.join(' ') + world.err).to.equal(0);
    }
    expect(await world.run('container', 'exists', 'web')).to.equal(0);
    expect(await world.run('container', 'exists', 'nosuch')).to.equal(1);
    expect(await world.run('image', 'exists', 'nosuch')).to.equal(1);
  });

  it('ends with the code of SIGPIPE when nobody reads its output', async () => {
    const host = world.host();
    const code = await main(['version'], {
      ...host,
      write(fd) {
        if (fd === 1) throw Object.assign(new Error('write EPIPE'), { code: 'EPIPE' });
      },
    });
    expect(code).to.equal(141);
    expect(world.err).to.equal('');
  });
});
