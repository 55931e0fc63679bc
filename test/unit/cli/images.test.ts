import { Readable } from 'node:stream';
import { expect } from 'chai';
import { VainaError } from '../../../lib/errors.js';
import { progressPrinter } from '../../../lib/cli/progress.js';
import { before, imageRow, World } from './fake.js';

const ONE = imageRow({
  id: '1'.repeat(64),
  names: ['docker.io/library/debian:13', 'localhost:5000/x/y:3'],
  labels: { a: 'b' },
});
const TWO = imageRow({
  id: '2'.repeat(64),
  names: ['localhost/two:latest'],
  created: before(60),
  size: 5_000_000,
});
const NONE = imageRow({ id: '3'.repeat(64), created: before(86_400 * 3), dangling: true });

describe('cli images', () => {
  let world: World;
  beforeEach(() => {
    world = new World();
    world.images = [ONE, TWO, NONE].map((row) => ({ ...row }));
  });

  const print = async (...argv: string[]): Promise<string> => {
    world.out = '';
    expect(await world.run(...argv), world.err).to.equal(0);
    return world.out;
  };

  it('images has a line for each name, newest first', async () => {
    expect(await print('images')).to.equal(
      [
        'REPOSITORY                TAG         IMAGE ID      CREATED             SIZE',
        'localhost/two             latest      222222222222  About a minute ago  5 MB',
        'docker.io/library/debian  13          111111111111  2 hours ago         2 MB',
        'localhost:5000/x/y        3           111111111111  2 hours ago         2 MB',
        '<none>                    <none>      333333333333  3 days ago          2 MB',
        '',
      ].join('\n'),
    );
    expect(await print('images', '-q')).to.equal('222222222222\n111111111111\n333333333333\n');
    expect(await print('images', '-q', '--no-trunc', 'two')).to.equal(`sha256:${TWO.id}\n`);
    expect(await print('images', '-n', '--digests', 'two')).to.equal(
      `localhost/two  latest      ${TWO.digest}  222222222222  About a minute ago  5 MB\n`,
    );
  });

  it('images chooses, sorts and formats', async () => {
    const names = '{{.Repository}}:{{.Tag}}';
    expect(await print('images', '--format', names, 'debian')).to.equal('docker.io/library/debian:13\n');
    expect(await print('images', '--format', names, 'y:3')).to.equal('localhost:5000/x/y:3\n');
    expect(await print('images', '--format', names, '2222')).to.equal('localhost/two:latest\n');
    expect(await print('images', 'nosuch')).to.equal(
      'REPOSITORY  TAG         IMAGE ID    CREATED     SIZE\n',
    );
    expect(await print('images', '--sort', 'size', '--format', '{{.Size}} {{.VirtualSize}}', 'two')).to.equal(
      '5 MB 5000000\n',
    );
    expect(await print('images', '--sort=repository', '--format', '{{.Tag}}')).to.equal(
      '<none>\n13\nlatest\n3\n',
    );
    expect(await print('images', '--format', '{{.CreatedAt}}|{{.Labels}}|{{.Names}}', 'debian')).to.equal(
      '2026-03-01 10:00:00 +0000 UTC|map[a:b]|[docker.io/library/debian:13 localhost:5000/x/y:3]\n',
    );
    const list = JSON.parse(await print('images', '--format', 'json')) as { Id: string }[];
    expect(list.map(({ Id }) => Id)).to.deep.equal([TWO.id, ONE.id, NONE.id]);
    await print(
      'images',
      '-f',
      'dangling=true',
      '-f',
      'reference=a*',
      '-f',
      'label=x',
      '-f',
      'before=b',
      '-f',
      'since=c',
    );
    expect(world.called('images.list').at(-1)).to.deep.equal([
      { dangling: true, reference: ['a*'], label: ['x'], before: 'b', since: 'c' },
    ]);
    for (const [argv, message] of [
      [['--filter', 'foo=x'], 'unsupported image filter "foo"'],
      [['--filter', 'dangling=x'], 'non-boolean value "x" for dangling filter'],
      [
        ['--sort', 'foo'],
        '"foo" is not a valid field for sorting. Choose from: created, id, repository, size, tag',
      ],
      [['a', 'b'], 'accepts at most 1 arg(s), received 2'],
    ] as const) {
      world.err = '';
      expect(await world.run('images', ...argv)).to.equal(125);
      expect(world.err).to.equal(`Error: ${message}\n`);
    }
  });

  it('pull prints ids, and what happens on stderr', async () => {
    expect(await print('pull', '--platform', 'linux/arm64', '--tls-verify=0', 'a', 'b')).to.equal(
      `${'a1'.repeat(32)}\n`.repeat(2),
    );
    expect(world.err).to.equal('Trying to pull a...\nTrying to pull b...\n');
    expect(world.called('images.pull')).to.deep.equal([
      ['a', { platform: 'linux/arm64', tlsVerify: false }],
      ['b', { platform: 'linux/arm64', tlsVerify: false }],
    ]);
    world.err = '';
    await print('pull', '-q', 'a');
    expect(world.err).to.equal('');
    world.failures['images.pull a'] = new VainaError('ERR_REGISTRY', 'the registry said no');
    expect(await world.run('pull', '-q', 'a', 'b')).to.equal(125);
    expect(world.called('images.pull').at(-1)?.[0]).to.equal('b');
    expect(await world.run('pull')).to.equal(125);
  });

  it('shows progress by lines, or on a terminal by bars', async () => {
    const session = { host: world.host(), err: (text: string) => (world.err += text) };
    const event = (phase: 'download' | 'done', current: number) => ({
      phase,
      id: `sha256:${'a'.repeat(64)}`,
      current,
      total: 2000,
    });
    const lines = progressPrinter(session as never);
    lines(event('download', 0));
    lines(event('download', 1000));
    lines(event('done', 2000));
    expect(world.err).to.equal(`Copying blob sha256:${'a'.repeat(64)}\n`);
    world.err = '';
    world.terminals.add(2);
    const bars = progressPrinter(session as never);
    bars(event('download', 1000));
    bars(event('done', 2000));
    expect(world.err).to.contain(
      `Copying blob aaaaaaaaaaaa [${'='.repeat(19)}>${'-'.repeat(18)}] 1 kB / 2 kB\n`,
    );
    expect(world.err).to.contain('\x1b[1A\r\x1b[2KCopying blob aaaaaaaaaaaa done\n');
  });

  it('load reads a file or stdin', async () => {
    expect(await print('load', '-i', '/x.tar')).to.equal(
      `Loaded image: docker.io/library/debian:13\nLoaded image: localhost:5000/x/y:3\nLoaded image: localhost/two:latest\nLoaded image: sha256:${NONE.id}\n`,
    );
    world.input = Readable.from([]);
    await print('load', '-q');
    expect(world.called('images.load').map(([source]) => source)).to.deep.equal(['/x.tar', world.input]);
    world.terminals.add(0);
    expect(await world.run('load')).to.equal(125);
    expect(world.err).to.contain('cannot read from terminal');
    expect(await world.run('load', 'x')).to.equal(125);
  });

  it('import takes a file or stdin, a name and changes', async () => {
    expect(
      await print(
        'import',
        '-c',
        'CMD ["a", "b"]',
        '--change',
        'ENV A=1,2',
        '-m',
        'msg',
        '--os',
        'o',
        '--arch',
        'a',
        '/x.tar',
        'n:1',
      ),
    ).to.equal(`sha256:${'a2'.repeat(32)}\n`);
    await print('import', '-q', '-');
    expect(world.called('images.import')).to.deep.equal([
      [
        '/x.tar',
        { reference: 'n:1', changes: ['CMD ["a", "b"]', 'ENV A=1,2'], message: 'msg', os: 'o', arch: 'a' },
      ],
      [world.input, {}],
    ]);
    expect(await world.run('import')).to.equal(125);
    expect(world.err).to.equal('Error: accepts between 1 and 2 arg(s), received 0\n');
  });

  it('tag and untag', async () => {
    await print('tag', 'localhost/two:latest', 'a', 'b:1');
    await print('untag', 'localhost/two:latest', 'a');
    await print('untag', 'localhost/two:latest');
    expect(world.calls).to.deep.equal([
      ['image.tag', TWO.id, 'a'],
      ['image.tag', TWO.id, 'b:1'],
      ['image.untag', TWO.id, 'a'],
      ['image.untag', TWO.id, undefined],
    ]);
    expect(await world.run('tag', 'x')).to.equal(125);
    expect(await world.run('tag', 'nosuch', 'x')).to.equal(125);
    expect(world.err).to.equal(
      'Error: requires at least 2 arg(s), only received 1\nError: no image is named nosuch\n',
    );
  });

  it('rmi takes away a name, or the image with its last one', async () => {
    expect(await print('rmi', 'docker.io/library/debian:13')).to.equal(
      'Untagged: docker.io/library/debian:13\n',
    );
    expect(world.called('image.remove')).to.deep.equal([]);
    expect(await print('rmi', 'localhost:5000/x/y:3')).to.equal(
      `Untagged: localhost:5000/x/y:3\nDeleted: ${ONE.id}\n`,
    );
    expect(await print('rmi', '-f', '222')).to.equal(`Untagged: localhost/two:latest\nDeleted: ${TWO.id}\n`);
    expect(world.called('image.remove')).to.deep.equal([
      [ONE.id, { force: false }],
      [TWO.id, { force: true }],
    ]);
  });

  it('rmi ends with 1 for a missing image, 2 for one in use, else 125', async () => {
    expect(await world.run('rmi', 'nosuch', '222')).to.equal(1);
    expect(world.out).to.contain(`Deleted: ${TWO.id}`);
    expect(await world.run('rmi', '-i', 'nosuch')).to.equal(0);
    expect(await world.run('rmi', '1111')).to.equal(125);
    expect(world.err).to.contain('by ID with more than one tag');
    world.failures['image.remove'] = new VainaError('ERR_IN_USE', 'a container uses it');
    expect(await world.run('rmi', '333', 'nosuch')).to.equal(2);
    expect(await world.run('rmi')).to.equal(125);
    expect(await world.run('rmi', '-a', 'x')).to.equal(125);
  });

  it('rmi -a removes all', async () => {
    await print('rmi', '-a');
    expect(world.called('image.remove')).to.have.lengthOf(3);
    expect(world.images).to.deep.equal([]);
  });
});
