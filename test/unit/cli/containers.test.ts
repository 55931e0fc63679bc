import { expect } from 'chai';
import { VainaError } from '../../../lib/errors.js';
import { before, containerRow, World } from './fake.js';

const WEB = containerRow({
  name: 'web',
  status: 'running',
  pid: 7,
  created: before(300),
  startedAt: before(5),
  labels: { x: 'y', a: 'b' },
  command: ['sh', '-c', 'echo hello world this is long'],
});
const OLD = containerRow({
  name: 'old',
  status: 'exited',
  exitCode: 7,
  created: before(90_000),
  startedAt: before(90_000),
  finishedAt: before(120),
  autoRemove: true,
});
const NEW = containerRow({ name: 'new', created: before(1) });
const LOST = containerRow({ name: 'lost', status: 'stopped', created: before(200) });

describe('cli containers', () => {
  let world: World;
  beforeEach(() => {
    world = new World();
    world.containers = [WEB, OLD, NEW, LOST].map((row) => ({ ...row }));
  });

  const print = async (...argv: string[]): Promise<string> => {
    world.out = '';
    expect(await world.run(...argv), world.err).to.equal(0);
    return world.out;
  };

  describe('ps', () => {
    it('lists those that run, or all, oldest first', async () => {
      expect(await print('ps')).to.equal(
        [
          'CONTAINER ID  IMAGE                        COMMAND               CREATED        STATUS        PORTS       NAMES',
          'webwebwebweb  docker.io/library/debian:13  sh -c echo hello ...  5 minutes ago  Up 5 seconds              web',
          '',
        ].join('\n'),
      );
      expect(await print('ps', '-a', '--format', '{{.Names}}: {{.Status}}')).to.equal(
        'old: Exited (7) 2 minutes ago\nweb: Up 5 seconds\nlost: Exited (unknown)\nnew: Created\n',
      );
      expect(world.called('containers.list')).to.deep.equal([[{}], [{ all: true }]]);
    });

    it('prints headings even of nothing, unless told not to', async () => {
      world.containers = [];
      expect(await print('ps')).to.equal(
        'CONTAINER ID  IMAGE       COMMAND     CREATED     STATUS      PORTS       NAMES\n',
      );
      expect(await print('ps', '--noheading')).to.equal('');
      expect(await print('ps', '-q')).to.equal('');
      expect(await print('ps', '--format', 'json')).to.equal('[]\n');
    });

    it('prints ids, short or whole', async () => {
      expect(await print('ps', '-q')).to.equal('webwebwebweb\n');
      expect(await print('ps', '-aq', '--no-trunc')).to.equal(
        `${[OLD, WEB, LOST, NEW].map(({ id }) => id).join('\n')}\n`,
      );
      expect(await print('ps', '--no-trunc', '--format', '{{.Command}}')).to.equal(
        'sh -c echo hello world this is long\n',
      );
    });

    it('shows the last ones', async () => {
      expect(await print('ps', '-n', '2', '--format', '{{.Names}}')).to.equal('lost\nnew\n');
      expect(await print('ps', '-l', '--format', '{{.Names}}')).to.equal('new\n');
      expect(await print('ps', '--last=0', '-q')).to.equal('');
    });

    it('sorts', async () => {
      expect(await print('ps', '-a', '--sort', 'names', '--format', '{{.Names}}')).to.equal(
        'lost\nnew\nold\nweb\n',
      );
      expect(await print('ps', '-a', '--sort=status', '--format', '{{.State}}')).to.equal(
        'created\nexited\nrunning\nstopped\n',
      );
      expect(await world.run('ps', '--sort', 'foo')).to.equal(125);
      expect(world.err).to.equal(
        'Error: invalid argument "foo" for "--sort" flag: "foo" is not a valid value.  Choose from: "command, created, id, image, names, runningfor, status"\nSee \'vaina ps --help\'\n',
      );
    });

    it('hands filters on', async () => {
      await print(
        'ps',
        '-f',
        'name=a',
        '--filter',
        'name=b',
        '-f',
        'label=x=y',
        '-f',
        'id=1',
        '-f',
        'ancestor=i',
      );
      await print('ps', '-f', 'status=exited', '-f', 'exited=7', '-f', 'before=x', '-f', 'since=y');
      expect(world.called('containers.list')).to.deep.equal([
        [{ name: ['a', 'b'], label: ['x=y'], id: ['1'], ancestor: ['i'] }],
        [{ all: true, status: ['exited'], exited: [7], before: ['x'], since: ['y'] }],
      ]);
      for (const [filter, message] of [
        ['foo=bar', 'foo is an invalid filter'],
        ['bar', 'invalid filter "bar"'],
        ['status=bogus', 'unknown container state: bogus'],
        ['exited=x', 'exited code out of range "x"'],
      ] as const) {
        world.err = '';
        expect(await world.run('ps', '--filter', filter)).to.equal(125);
        expect(world.err).to.equal(`Error: ${message}\n`);
      }
    });

    it('prints by template and as JSON', async () => {
      expect(
        await print(
          'ps',
          '--format',
          '{{.Labels}} {{.Label "x"}} {{.CreatedAt}} {{.Pid}} {{.Exited}} {{.StartedAt}}',
        ),
      ).to.equal('map[a:b x:y] y 2026-03-01 11:55:00 +0000 UTC 7 false 1772366395\n');
      expect(await print('ps', '--format', 'table {{.ID}} {{.Label "x"}}\\t{{.RunningFor}}')).to.equal(
        'CONTAINER ID  x           RUNNING FOR\nwebwebwebweb  y           5 minutes ago\n',
      );
      const [entry] = JSON.parse(await print('ps', '--format', '{{json .}}')) as object[];
      expect(entry).to.deep.include({
        Id: WEB.id,
        Names: ['web'],
        State: 'running',
        Created: 1772366100,
        Exited: false,
        Labels: WEB.labels,
      });
      expect(await world.run('ps', '--format', '{{.foo}}')).to.equal(125);
      expect(world.err).to.contain("can't evaluate field foo");
      expect(await world.run('ps', 'extra')).to.equal(125);
      expect(world.err).to.contain('Error: `vaina ps` takes no arguments');
    });
  });

  describe('stop, kill, rm', () => {
    it('act on each and print what they were called by', async () => {
      expect(await print('stop', '-t', '3', 'web', 'oldold')).to.equal('web\noldold\n');
      expect(await print('kill', '-s', 'USR1', 'web')).to.equal('web\n');
      expect(await print('kill', '-s15', 'web')).to.equal('web\n');
      expect(await print('kill', 'web')).to.equal('web\n');
      expect(await print('rm', '-f', 'web')).to.equal('web\n');
      expect(world.calls).to.deep.equal([
        ['container.stop', 'web', { timeout: 3 }],
        ['container.stop', 'old', { timeout: 3 }],
        ['container.kill', 'web', 'USR1'],
        ['container.kill', 'web', 15],
        ['container.kill', 'web', 'KILL'],
        ['container.remove', 'web', { force: true }],
      ]);
    });

    it('go on after a failure, and report it', async () => {
      world.failures['container.stop web'] = new VainaError('ERR_IO', 'broken');
      expect(await world.run('stop', 'web', 'nosuch', 'old')).to.equal(125);
      expect(world.out).to.equal('old\n');
      expect(world.err).to.equal('Error: no container is named nosuch\nError: broken\n');
    });

    it('rm ends with 1 for a missing container, 2 for a running one, else 125', async () => {
      expect(await world.run('rm', 'nosuch', 'old')).to.equal(1);
      expect(world.out).to.equal('old\n');
      world.failures['container.remove web'] = new VainaError('ERR_INVALID_STATE', 'it is running');
      expect(await world.run('rm', 'web', 'nosuch')).to.equal(2);
      world.failures['container.remove old'] = new VainaError('ERR_IO', 'broken');
      expect(await world.run('rm', 'web', 'old')).to.equal(125);
      expect(await world.run('rm', '-i', 'nosuch')).to.equal(0);
      expect(await world.run('rm', '-f', 'nosuch')).to.equal(0);
      expect(await world.run('stop', '-i', 'nosuch')).to.equal(0);
      expect(await world.run('stop', 'nosuch')).to.equal(125);
    });

    it('take all, the latest, or what a filter says', async () => {
      await print('rm', '-a');
      expect(world.called('container.remove').map(([name]) => name)).to.have.members([
        'web',
        'old',
        'new',
        'lost',
      ]);
      await print('rm', '--filter', 'label=x');
      await print('stop', '-a');
      await print('kill', '--all');
      expect(world.called('containers.list')).to.deep.equal([
        [{ all: true }],
        [{ all: true, label: ['x'] }],
        [{ all: true, status: ['running'] }],
        [{ all: true, status: ['running'] }],
      ]);
      expect(await print('rm', '-l')).to.equal(`${NEW.id}\n`);
      for (const [argv, message] of [
        [['rm', '-a', 'x'], 'no arguments are needed with --all'],
        [['stop', '-a', 'x'], 'no arguments are needed with --all'],
        [['kill', '-a', 'x'], 'no arguments are needed with --all'],
        [['rm'], 'you must provide at least one name or id'],
        [['rm', '--cidfile', '/nosuch'], 'reading CIDFile: ENOENT'],
      ] as const) {
        world.err = '';
        expect(await world.run(...argv)).to.equal(125);
        expect(world.err).to.contain(`Error: ${message}`);
      }
      expect(await world.run('rm', '-i', '--cidfile', '/nosuch')).to.equal(0);
    });
  });

  it('wait prints exit codes', async () => {
    expect(await print('wait', 'old', 'old')).to.equal('7\n7\n');
    expect(await print('wait', '-i', 'nosuch', 'old')).to.equal('-1\n7\n');
    expect(await world.run('wait', 'nosuch', 'old')).to.equal(125);
    expect(await world.run('wait')).to.equal(125);
    expect(world.err).to.contain('"vaina wait" requires a name, id, or the "--latest" flag');
  });

  describe('start', () => {
    it('starts in the background, and takes a running one as started', async () => {
      world.failures['container.start web'] = new VainaError('ERR_INVALID_STATE', 'it is running');
      world.inspected['web'] = { State: { Running: true } };
      expect(await print('start', 'new', 'web')).to.equal('new\n');
      expect(world.called('container.start')).to.deep.equal([
        ['new', undefined],
        ['web', undefined],
      ]);
      world.failures['container.start new'] = new VainaError('ERR_COMMAND_NOT_FOUND', 'no such command');
      expect(await world.run('start', 'new')).to.equal(125);
    });

    it('attaches to a new start or to what runs', async () => {
      world.process = (child) => child.end({ exitCode: 9, signal: null });
      expect(await world.run('start', '-a', 'new')).to.equal(9);
      expect(world.called('container.start')).to.deep.equal([['new', { stdio: ['ignore', 1, 2] }]]);
      world.failures['container.start web'] = new VainaError('ERR_INVALID_STATE', 'it is running');
      world.inspected['web'] = { State: { Running: true } };
      expect(await world.run('start', '-ai', 'web')).to.equal(9);
      expect(world.called('container.attach')).to.deep.equal([['web', { stdio: [0, 1, 2] }]]);
      expect(await world.run('start', '-a', 'new', 'web')).to.equal(125);
      expect(await world.run('start', '--sig-proxy', 'new')).to.equal(125);
      expect(await world.run('start', '-a', 'nosuch')).to.equal(125);
    });

    it('uses a terminal where the container has one', async () => {
      world.inspected['new'] = { Config: { Tty: true } };
      world.process = (child) => {
        child.stdout!.end('hello');
        child.end({ exitCode: 0, signal: null });
      };
      expect(await print('start', '-a', 'new')).to.equal('hello');
      expect(world.called('container.start')).to.deep.equal([
        ['new', { stdio: ['ignore', 'pipe', 'ignore'] }],
      ]);
    });
  });

  it('exec runs with its options, and ends with the code of the command', async () => {
    world.process = (child) => child.end({ exitCode: 4, signal: null });
    world.env = { HOST: 'h' };
    expect(
      await world.run(
        'exec',
        '-i',
        '-e',
        'A=1',
        '-eHOST',
        '-u',
        'me',
        '-w',
        '/x',
        '--privileged',
        'web',
        'ls',
        '-a',
      ),
    ).to.equal(4);
    expect(world.called('container.execStart')).to.deep.equal([
      [
        'web',
        ['ls', '-a'],
        { env: { A: '1', HOST: 'h' }, user: 'me', workdir: '/x', privileged: true, stdio: [0, 1, 2] },
      ],
    ]);
    expect(await world.run('exec', '-d', 'web', 'true')).to.equal(0);
    expect(world.called('container.execStart')[1]).to.deep.equal([
      'web',
      ['true'],
      { stdio: ['ignore', 'ignore', 'ignore'] },
    ]);
    expect(world.out).to.equal('4321\n');
    expect(await world.run('exec', 'nosuch', 'true')).to.equal(125);
    expect(await world.run('exec', 'web')).to.equal(125);
    expect(await world.run('exec')).to.equal(125);
    world.failures['container.execStart'] = new VainaError('ERR_COMMAND_NOT_FOUND', 'no such command');
    expect(await world.run('exec', 'web', 'nosuch')).to.equal(127);
  });

  it('exec takes a terminal with its size', async () => {
    world.size = { rows: 10, columns: 20 };
    world.process = (child) => {
      child.stdout!.end('x');
      child.end({ exitCode: 0, signal: null });
    };
    expect(await print('exec', '-t', 'web', 'sh')).to.equal('x');
    expect(world.called('container.execStart')).to.deep.equal([
      ['web', ['sh'], { tty: true, stdio: ['ignore', 'pipe', 'ignore'], rows: 10, columns: 20 }],
    ]);
  });

  it('logs go to the streams they came from, byte by byte', async () => {
    const time = new Date('2026-01-02T03:04:05.678Z');
    world.logs = [
      { time, stream: 'stdout', bytes: Buffer.from('out'), partial: false },
      { time, stream: 'stderr', bytes: Buffer.from('err'), partial: false },
      { time, stream: 'stdout', bytes: Buffer.from('no newline'), partial: true },
    ];
    expect(await print('logs', 'web')).to.equal('out\nno newline');
    expect(world.err).to.equal('err\n');
    expect(await print('logs', '-t', 'web')).to.equal(
      '2026-01-02T03:04:05.678Z out\n2026-01-02T03:04:05.678Z no newline',
    );
    world.logs.pop();
    expect(await print('logs', 'web', 'old')).to.equal('webwebwebweb out\noldoldoldold out\n');
    expect(await print('logs', '-n', 'web', 'old')).to.equal('web out\nold out\n');
    world.calls.length = 0;
    await print('logs', '-f', '--since', '10m', '--until=2026-03-01T11:59:00Z', '--tail', '5', 'web');
    await print('logs', '--tail=-1', 'web');
    expect(world.calls).to.deep.equal([
      ['container.logs', 'web', { follow: true, since: before(600), until: before(60), tail: 5 }],
      ['container.logs', 'web', {}],
    ]);
    for (const [argv, message] of [
      [['--since', 'foo', 'web'], 'parsing --since "foo": unable to interpret time value'],
      [['nosuch'], 'no container is named nosuch'],
      [[], 'specify at least one container name or ID to log'],
      [
        ['--tail', 'x', 'web'],
        'invalid argument "x" for "--tail" flag: strconv.ParseInt: parsing "x": invalid syntax',
      ],
    ] as const) {
      world.err = '';
      expect(await world.run('logs', ...argv)).to.equal(125);
      expect(world.err).to.contain(`Error: ${message}\n`);
    }
  });
});
