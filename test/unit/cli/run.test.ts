import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { expect } from 'chai';
import { VainaError } from '../../../lib/errors.js';
import { main } from '../../../lib/cli/program.js';
import { containerRow, World, type FakeProcess } from './fake.js';

describe('cli run and create', () => {
  let world: World;
  let directory: string;
  beforeEach(() => {
    world = new World();
    directory = mkdtempSync(join(tmpdir(), 'vaina-unit-'));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  const created = async (...argv: string[]): Promise<unknown> => {
    world.calls.length = 0;
    expect(await world.run('create', ...argv), world.err).to.equal(0);
    return world.called('containers.create')[0];
  };

  it('creates with the image and its command alone', async () => {
    expect(await created('debian')).to.deep.equal(['debian', { detach: true, pullOptions: {} }]);
    expect(world.out).to.equal(`${containerRow({ name: 'made' }).id}\n`);
    expect(await created('debian', 'ls', '-l', '--', '-d')).to.deep.equal([
      'debian',
      { detach: true, pullOptions: {}, command: ['ls', '-l', '--', '-d'] },
    ]);
    expect(await created('--rootfs', '/srv/root:O', 'sh')).to.deep.equal([
      null,
      { detach: true, pullOptions: {}, rootfs: '/srv/root:O', command: ['sh'] },
    ]);
    expect(await world.run('create')).to.equal(125);
    expect(world.err).to.equal('Error: requires at least 1 arg(s), only received 0\n');
  });

  const options: [flags: string[], options: object][] = [
    [['-it'], { stdin: true, tty: true }],
    [['--rm', '--name', 'x'], { autoRemove: true, name: 'x' }],
    [['--rm=false'], { autoRemove: false }],
    [['-w/x', '-u=1:2', '-h', 'box'], { workdir: '/x', user: '1:2', hostname: 'box' }],
    [['-e', 'A=1', '-eB=2=3', '-e=C='], { env: { A: '1', B: '2=3', C: '' } }],
    [['-l', 'a=b=c', '--label', 'bare'], { labels: { a: 'b=c', bare: '' } }],
    [['--annotation', 'a=b,c'], { annotations: { a: 'b,c' } }],
    [['-v', '/a:/b:ro,Z', '--volume=/c:/d'], { volumes: ['/a:/b:ro,Z', '/c:/d'] }],
    [['--tmpfs', '/t:size=1m,mode=755'], { tmpfs: ['/t:size=1m,mode=755'] }],
    [['--device', '/dev/fuse:/dev/x:rw'], { devices: ['/dev/fuse:/dev/x:rw'] }],
    [['--sysctl', 'net.a=1,kernel.b=2'], { sysctls: { 'net.a': '1', 'kernel.b': '2' } }],
    [
      ['-m', '512m', '--memory-swap=-1', '--memory-reservation', '1g'],
      { memory: '512m', memorySwap: -1, memoryReservation: '1g' },
    ],
    [['--memory-swap', '1g'], { memorySwap: '1g' }],
    [['--cpus', '.5', '-c', '512', '--cpuset-cpus', '0-2,4'], { cpus: 0.5, cpuShares: 512, cpuset: '0-2,4' }],
    [['--pids-limit=-1'], { pidsLimit: -1 }],
    [['--ulimit', 'nofile=1:2,core=0'], { ulimits: ['nofile=1:2', 'core=0'] }],
    [
      ['--cap-add', 'NET_RAW,SYS_TIME', '--cap-add=x', '--cap-drop', 'ALL'],
      { capAdd: ['NET_RAW', 'SYS_TIME', 'x'], capDrop: ['ALL'] },
    ],
    [['--privileged', '--init', '--read-only'], { privileged: true, init: true, readOnly: true }],
    [['--read-only', '--read-only-tmpfs=false'], { readOnly: true, readOnlyTmpfs: false }],
    [
      ['--security-opt', 'seccomp=/a,b', '--security-opt', 'no-new-privileges'],
      { securityOpt: ['seccomp=/a,b', 'no-new-privileges'] },
    ],
    [['--network', 'host'], { network: 'host' }],
    [['--net=none'], { network: 'none' }],
    [['--stop-signal', 'INT', '--stop-timeout', '3'], { stopSignal: 'INT', stopTimeout: 3 }],
    [['--stop-signal', '15'], { stopSignal: 15 }],
    [['--entrypoint', '/bin/x y'], { entrypoint: ['/bin/x y'] }],
    [['--entrypoint', '["a","b c"]'], { entrypoint: ['a', 'b c'] }],
    [['--entrypoint='], { entrypoint: [] }],
    [
      ['--umask', '077', '--shm-size', '1m', '--oom-score-adj', '-5'],
      { umask: '077', shmSize: '1m', oomScoreAdj: -5 },
    ],
    [['--group-add', 'audio,44'], { groupAdd: ['audio', '44'] }],
    [['--log-driver', 'none'], { logDriver: 'none' }],
    [
      ['--log-driver', 'json-file', '--log-opt', 'max-size=10m'],
      { logDriver: 'k8s-file', logMaxSize: '10m' },
    ],
    [['--pull', 'always'], { pull: 'always' }],
    [
      [
        '--platform',
        'linux/arm64',
        '--tls-verify=false',
        '--creds',
        'me:a:b',
        '--authfile',
        '/a',
        '--cert-dir',
        '/c',
        '-q',
      ],
      {
        pullOptions: {
          platform: 'linux/arm64',
          tlsVerify: false,
          creds: { username: 'me', password: 'a:b' },
          authFile: '/a',
          certDir: '/c',
        },
      },
    ],
    [['--arch', 'arm', '--variant', 'v7'], { pullOptions: { platform: 'linux/arm/v7' } }],
  ];
  for (const [flags, expected] of options) {
    it(`takes ${flags.join(' ')}`, async () => {
      const [image, given] = (await created(...flags, 'img')) as [string, object];
      expect(image).to.equal('img');
      expect(given).to.deep.equal({ detach: true, pullOptions: {}, ...expected });
    });
  }

  it('reads files of environment variables and labels', async () => {
    writeFileSync(join(directory, 'env'), 'A=file\nB=file\nHOME\n');
    writeFileSync(join(directory, 'labels'), '# c\nx=1\ny\n');
    world.env = { HOME: '/home/me' };
    expect(
      await created(
        '--env-file',
        join(directory, 'env'),
        '-e',
        'B=flag',
        '--label-file',
        join(directory, 'labels'),
        'img',
      ),
    ).to.deep.equal([
      'img',
      {
        detach: true,
        pullOptions: {},
        env: { A: 'file', B: 'flag', HOME: '/home/me' },
        labels: { x: '1', y: '' },
      },
    ]);
  });

  it('refuses what makes no sense before anything happens', async () => {
    const cases: [string[], string][] = [
      [['--pull', 'foo', 'i'], 'unsupported pull policy "foo"'],
      [['--sysctl', 'foo', 'i'], 'foo is invalid, sysctl values must be in the form of KEY=VALUE'],
      [['-e', '=x', 'i'], 'invalid environment variable: "=x"'],
      [['--replace', 'i'], 'cannot replace container without --name being set'],
      [['-a', 'foo', 'i'], 'invalid stream "foo" for --attach - must be one of stdin, stdout, or stderr'],
      [['--detach-keys', 'ctrl-1', 'i'], "invalid detach keys: unknown character 'ctrl-1'"],
      [['--creds', 'me', 'i'], 'credentials must be given as USERNAME:PASSWORD'],
      [
        ['--platform', 'a/b', '--arch', 'c', 'i'],
        '--platform option can not be specified with --arch or --os',
      ],
      [['--log-opt', 'tag=x', 'i'], 'unsupported log option "tag=x": only max-size=SIZE'],
    ];
    for (const [argv, message] of cases) {
      world.err = '';
      expect(await world.run('run', ...argv), argv.join(' ')).to.equal(125);
      expect(world.err).to.equal(`Error: ${message}\n`);
    }
    expect(world.calls).to.deep.equal([]);
  });

  it('writes the id to --cidfile, but not over a file', async () => {
    const file = join(directory, 'cid');
    await created('--cidfile', file, 'img');
    expect(readFileSync(file, 'utf8')).to.equal(containerRow({ name: 'made' }).id);
    expect(await world.run('create', '--cidfile', file, 'img')).to.equal(125);
    expect(world.err).to.contain('container id file exists.');
    expect(world.called('containers.create')).to.have.lengthOf(1);
  });

  it('replaces only the container of the very name', async () => {
    world.containers = [containerRow({ name: 'web', status: 'running' }), containerRow({ name: 'abc' })];
    await created('--replace', '--name', 'web', 'img');
    expect(world.calls.map(([name]) => name)).to.deep.equal(['container.remove', 'containers.create']);
    expect(world.calls[0]).to.deep.equal(['container.remove', 'web', { force: true }]);
    // Another one's id starts with this name.
    await created('--replace', '--name', 'abca', 'img');
    await created('--replace', '--name', 'nosuch', 'img');
    expect(world.called('container.remove')).to.deep.equal([]);
  });

  it('hands its own descriptors to the container and ends with its exit code', async () => {
    world.process = (child) => child.end({ exitCode: 7, signal: null });
    expect(await world.run('run', 'img')).to.equal(7);
    expect(await world.run('run', '-i', 'img')).to.equal(7);
    expect(await world.run('run', '-i', '-a', 'stdout', 'img')).to.equal(7);
    expect(await world.run('run', '-i', '-a', 'STDIN', '-a', 'stderr', 'img')).to.equal(7);
    expect(world.called('container.start').map(([, options]) => options)).to.deep.equal([
      { stdio: ['ignore', 1, 2] },
      { stdio: [0, 1, 2] },
      { stdio: ['ignore', 1, 'ignore'] },
      { stdio: [0, 'ignore', 2] },
    ]);
    expect(world.out + world.err).to.equal('');
    world.process = (child) => child.end({ exitCode: 137, signal: 'SIGKILL' });
    expect(await world.run('run', 'img')).to.equal(137);
    world.process = (child) => child.end({ exitCode: -1, signal: null, unknown: true });
    expect(await world.run('run', 'img')).to.equal(125);
    expect(world.err).to.contain('exit code is not known');
  });

  it('prints the id of a detached container and leaves it', async () => {
    const pidfile = join(directory, 'pid');
    world.process = () => undefined;
    expect(await world.run('run', '-d', '--pidfile', pidfile, 'img')).to.equal(0);
    expect(world.out).to.equal(`${containerRow({ name: 'made' }).id}\n`);
    expect(world.called('container.start')).to.deep.equal([['made', undefined]]);
    expect(readFileSync(pidfile, 'utf8')).to.equal('4321');
  });

  it('ends with 127, 126 or 125 when the container does not start, and removes it with --rm', async () => {
    for (const [code, exit] of [
      ['ERR_COMMAND_NOT_FOUND', 127],
      ['ERR_COMMAND_NOT_EXECUTABLE', 126],
      ['ERR_STEP_FAILED', 125],
    ] as const) {
      world.failures['container.start'] = new VainaError(code, 'cannot start');
      expect(await world.run('run', '--rm', 'img')).to.equal(exit);
    }
    expect(world.called('container.remove')).to.have.lengthOf(3);
    await world.run('run', 'img');
    expect(world.called('container.remove')).to.have.lengthOf(3);
    expect(world.err).to.equal('Error: cannot start\n'.repeat(4));
  });

  it('passes signals on, unless told not to', async () => {
    world.process = (child) =>
      setImmediate(() => {
        for (const signal of ['SIGTERM', 'SIGUSR1', 'SIGCHLD']) world.signals.emit(signal);
        child.end({ exitCode: 0, signal: null });
      });
    await world.run('run', 'img');
    expect(world.called('process.kill')).to.deep.equal([['SIGTERM'], ['SIGUSR1']]);
    await world.run('run', '--sig-proxy=false', 'img');
    expect(world.called('process.kill')).to.have.lengthOf(2);
    expect(world.signals.eventNames()).to.deep.equal([]);
  });

  it('passes on a signal that comes while the command starts', async () => {
    world.process = (child) => {
      world.signals.emit('SIGTERM');
      child.stdout?.end();
      setImmediate(() => child.end({ exitCode: 42, signal: null }));
    };
    expect(await world.run('run', 'img')).to.equal(42);
    expect(await world.run('run', '-t', 'img')).to.equal(42);
    expect(world.called('process.kill')).to.deep.equal([['SIGTERM'], ['SIGTERM']]);
    expect(world.signals.eventNames()).to.deep.equal([]);
  });

  it('aborts the pull at SIGINT', async () => {
    const host = world.host();
    const code = await main(['run', 'img'], {
      ...host,
      open: async (options) => {
        const library = await host.open(options);
        return {
          ...library,
          containers: {
            ...library.containers,
            create: (_, create) =>
              new Promise((_, reject) => {
                const signal = create?.pullOptions?.signal;
                signal?.addEventListener('abort', () => reject(signal.reason as Error));
                setImmediate(() => world.signals.emit('SIGINT'));
              }),
          },
        };
      },
    });
    expect(code).to.equal(130);
    expect(world.err).to.equal('Error: interrupted\n');
  });

  describe('with a terminal', () => {
    let input: PassThrough;
    beforeEach(() => {
      input = new PassThrough();
      world.input = input;
      world.terminals = new Set([0, 1, 2]);
      world.size = { rows: 24, columns: 80 };
    });

    it('copies both ways in raw mode, and follows its size', async () => {
      let typed = '';
      world.process = (child: FakeProcess) => {
        child.stdin!.on('data', (chunk: Buffer) => {
          typed += chunk.toString();
          if (!typed.endsWith('\r')) return;
          world.size = { rows: 50, columns: 132 };
          world.signals.emit('resize');
          child.stdout!.end(`echo ${typed}`);
          child.end({ exitCode: 3, signal: null });
        });
        setImmediate(() => input.write('ls\r'));
      };
      expect(await world.run('run', '-it', 'img')).to.equal(3);
      expect(world.called('container.start')).to.deep.equal([
        ['made', { stdio: ['pipe', 'pipe', 'ignore'], rows: 24, columns: 80 }],
      ]);
      expect(typed).to.equal('ls\r');
      expect(world.out).to.equal('echo ls\r');
      expect(world.raw).to.deep.equal([true, false]);
      expect(world.called('process.resize')).to.deep.equal([
        [24, 80],
        [50, 132],
      ]);
      expect(world.signals.eventNames()).to.deep.equal([]);
    });

    it('detaches at the detach keys and leaves the container alone', async () => {
      let typed = '';
      world.process = (child) => {
        child.stdin!.on('data', (chunk: Buffer) => (typed += chunk.toString()));
        child.stdin!.on('finish', () => (typed += '<EOF>'));
        setImmediate(() => input.write('a\x10'));
        setTimeout(() => input.write('b\x10\x11dropped'), 10);
      };
      expect(await world.run('run', '-it', 'img')).to.equal(0);
      expect(typed).to.equal('a\x10b');
      expect(world.raw).to.deep.equal([true, false]);
    });

    it('has no raw mode without -i or without a terminal at stdin', async () => {
      world.process = (child) => {
        child.stdout!.end();
        child.end({ exitCode: 0, signal: null });
      };
      await world.run('run', '-t', 'img');
      expect(world.called('container.start')[0]).to.deep.equal([
        'made',
        { stdio: ['ignore', 'pipe', 'ignore'], rows: 24, columns: 80 },
      ]);
      world.terminals.delete(0);
      world.input = Readable.from([Buffer.from('x')]);
      await world.run('run', '-it', 'img');
      expect(world.raw).to.deep.equal([]);
    });
  });

  it('does not write a cidfile for a container that could not be made', async () => {
    world.failures['containers.create'] = new VainaError('ERR_NO_SUCH_IMAGE', 'no image is named img');
    const file = join(directory, 'cid');
    expect(await world.run('run', '--cidfile', file, 'img')).to.equal(125);
    expect(world.err).to.equal('Error: no image is named img\n');
    expect(existsSync(file)).to.equal(false);
  });
});
