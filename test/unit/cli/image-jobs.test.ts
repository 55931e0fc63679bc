import { Readable } from 'node:stream';
import { expect } from 'chai';
import { before, imageRow, World } from './fake.js';

describe('cli jobs on images', () => {
  let world: World;
  beforeEach(() => {
    world = new World();
    world.images = [imageRow({ id: '1'.repeat(64), names: ['localhost/one:1'], size: 11_333 })];
  });

  const print = async (...argv: string[]): Promise<string> => {
    world.out = '';
    expect(await world.run(...argv), world.err).to.equal(0);
    return world.out;
  };

  it('history', async () => {
    world.steps = [
      {
        id: '1'.repeat(64),
        created: before(60),
        createdBy: `/bin/sh -c ${'x'.repeat(60)}`,
        size: 10_240,
        comment: 'why',
        tags: ['localhost/one:1'],
      },
      { id: '<missing>', created: before(7200), createdBy: 'ADD', size: 0, comment: '', tags: [] },
    ];
    expect(await print('history', 'localhost/one:1')).to.equal(
      [
        'ID            CREATED             CREATED BY                                     SIZE        COMMENT',
        `111111111111  About a minute ago  /bin/sh -c ${'x'.repeat(31)}...  10.2 kB     why`,
        '<missing>     2 hours ago         ADD                                            0 B         ',
        '',
      ].join('\n'),
    );
    expect(await print('history', '-q', 'localhost/one:1')).to.equal('111111111111\n<missing>\n');
    expect(await print('history', '--format', '{{.Size}}', '--human=false', 'localhost/one:1')).to.equal(
      '10240\n0\n',
    );
    const [first] = JSON.parse(await print('history', '--format', 'json', 'localhost/one:1')) as {
      CreatedBy: string;
    }[];
    expect(first?.CreatedBy).to.have.length(71);
    expect(await world.run('history')).to.equal(125);
  });

  it('image scp', async () => {
    const words = ['image', 'scp', 'app:1', 'me@host::'];
    expect(await print(...words)).to.equal('Loaded image: localhost/app:1\n');
    expect(await print(...words, '-q', '--engine', 'podman')).to.equal('');
    expect(world.err).to.equal('Warning: signatures are left behind\n'.repeat(2));
    expect(world.called('images.scp')[1]).to.deep.equal(['app:1', 'me@host::', { engine: 'podman' }]);
    expect(await world.run('image', 'scp')).to.equal(125);
    expect(await world.run(...words, '--engine', 'docker')).to.equal(125);
  });

  it('image tree', async () => {
    expect(await print('image', 'tree', 'localhost/one:1')).to.equal(
      [
        'Image ID: 111111111111',
        'Tags:     [localhost/one:1]',
        'Size:     11.33kB',
        'Image Layers',
        '├── ID: bbbbbbbbbbbb Size: 10.24kB',
        '└── ID: cccccccccccc Size:     5MB Top Layer of: [localhost/one:1]',
        '\n',
      ].join('\n'),
    );
    await print('image', 'tree', '--whatrequires', 'localhost/one:1');
    expect(world.called('image.tree').at(-1)?.[1]).to.deep.equal({ whatRequires: true });
  });

  it('diff', async () => {
    expect(await print('diff', 'localhost/one:1')).to.equal('C /etc\nA /etc/a\nD /b\n');
    expect(
      JSON.parse(await print('image', 'diff', '--format', 'json', 'localhost/one:1', 'base')),
    ).to.deep.equal({
      changed: ['/etc'],
      added: ['/etc/a'],
      deleted: ['/b'],
    });
    expect(world.called('image.diff').at(-1)?.[1]).to.equal('base');
    expect(await world.run('diff', '--format', 'x', 'localhost/one:1')).to.equal(125);
  });

  it('image prune asks, unless it is told not to', async () => {
    expect(await print('image', 'prune', '-f')).to.equal(`${'a3'.repeat(32)}\n`);
    const filters = ['--filter', 'label=a', '--filter', 'label!=b=c', '--filter', 'until=1h'];
    await print('image', 'prune', '-af', ...filters);
    expect(world.called('images.prune').at(-1)).to.deep.equal([
      { all: true, filters: { label: ['a'], labelNot: ['b=c'], until: before(3600) } },
    ]);
    world.input = Readable.from(['n\n']);
    expect(await print('image', 'prune')).to.match(/^WARNING! .* dangling images.\nAre you sure/);
    expect(world.called('images.prune')).to.have.length(2);
    world.input = Readable.from(['y\n']);
    expect(await print('image', 'prune')).to.include('a3a3');
    expect(await world.run('image', 'prune', '-f', '--filter', 'foo=x')).to.equal(125);
  });

  it('image mount and unmount', async () => {
    expect(await print('image', 'mount', 'localhost/one:1')).to.equal('/store/mounts/1\n');
    expect(await print('image', 'mount')).to.equal('localhost/m:1  /m\n');
    expect(JSON.parse(await print('image', 'mount', '--format', 'json'))).to.have.length(1);
    expect(await print('image', 'umount', '-f', 'localhost/one:1')).to.equal(`${'1'.repeat(64)}\n`);
    expect(world.called('image.unmount').at(-1)?.[1]).to.deep.equal({ force: true });
    expect(await world.run('image', 'unmount')).to.equal(125);
  });

  it('system df', async () => {
    world.usage = {
      images: [
        {
          ...{ id: '1'.repeat(64), names: ['localhost/one:1'], created: before(60), size: 11_333 },
          ...{ sharedSize: 10_240, uniqueSize: 1093, containers: 0 },
        },
      ],
      containers: [],
      imagesSize: 22_670,
      imagesReclaimable: 11_335,
    };
    expect(await print('system', 'df')).to.equal(
      [
        'TYPE           TOTAL       ACTIVE      SIZE        RECLAIMABLE',
        'Images         1           0           22.67kB     11.34kB (50%)',
        'Containers     0           0           0B          0B (0%)',
        'Local Volumes  0           0           0B          0B (0%)',
        '',
      ].join('\n'),
    );
    expect(await print('system', 'df', '-v')).to.include('localhost/one  1           111111111111');
    expect(await print('system', 'df', '--format', '{{.Type}}')).to.equal(
      'Images\nContainers\nLocal Volumes\n',
    );
    expect(await world.run('system', 'df', '-v', '--format', 'json')).to.equal(125);
  });

  it('system check says what is damaged, and what was done', async () => {
    expect(await print('system', 'check', '--quick')).to.equal('');
    expect(world.called('check').at(-1)).to.deep.equal([{ quick: true }]);
    world.damage = [
      { kind: 'layer-missing', id: 'l', what: 'the layer l has no tree', images: [], imageIds: [] },
    ];
    expect(await world.run('system', 'check', '--max', '1h')).to.equal(125);
    expect(world.out).to.equal('Damaged layer l:\nthe layer l has no tree\n');
    expect(world.err).to.equal('Error: damage detected in local storage\n');
    expect(await print('system', 'check', '-f')).to.equal(
      [
        'Damaged layer l:\nthe layer l has no tree\n',
        `Deleted damaged image: ${'f'.repeat(64)}\n`,
        `Deleted damaged manifest list: ${'e'.repeat(64)}\n`,
        `Deleted damaged container: ${'d'.repeat(64)}\n`,
      ].join(''),
    );
    expect(await world.run('system', 'check', '--max', 'x')).to.equal(125);
  });

  it('system check --repair reaches registries with the flags of a pull, which a check alone refuses', async () => {
    const access = ['--tls-verify=false', '--creds', 'me:secret', '--authfile', '/a', '--cert-dir', '/c'];
    await print('system', 'check', '--repair', ...access);
    const [given] = world.called('repair').at(-1) ?? [];
    expect(given).to.deep.include({
      ...{ tlsVerify: false, creds: { username: 'me', password: 'secret' }, authFile: '/a', certDir: '/c' },
      ...{ force: false, quick: false },
    });
    expect(await world.run('system', 'check', ...access)).to.equal(125);
    expect(world.err).to.include('its flags are for --repair');
    expect(world.called('check')).to.have.length(0);
  });
});
