import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { VainaError } from '../../../lib/errors.js';
import { imageRow, World } from './fake.js';

describe('cli images that come and go', () => {
  let world: World;
  let directory: string;
  beforeEach(() => {
    world = new World();
    world.images = [imageRow({ id: '1'.repeat(64), names: ['localhost/one:1'] })];
    directory = mkdtempSync(join(tmpdir(), 'vaina-cli-'));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  const works = async (...argv: string[]): Promise<void> => {
    expect(await world.run(...argv), world.err).to.equal(0);
  };

  it('pull passes its flags on, for each name', async () => {
    await works(
      'pull',
      '-q',
      '--policy',
      'newer',
      '--retry',
      '5',
      '--retry-delay=2s',
      '--disable-content-trust',
      'a',
      'b',
    );
    expect(world.called('images.pull')).to.deep.equal(
      ['a', 'b'].map((name) => [name, { policy: 'newer', retry: 5, retryDelay: 2000 }]),
    );
    expect(world.out).to.equal(`${'a1'.repeat(32)}\n`.repeat(2));
  });

  it('pull prints an id for each of all tags', async () => {
    await works('pull', '-q', '-a', '--signature-policy', '/p', 'host/a');
    expect(world.called('images.pull')).to.deep.equal([['host/a', { allTags: true, trustPolicy: '/p' }]]);
    expect(world.out).to.equal(`${'a1'.repeat(32)}\n${'b1'.repeat(32)}\n`);
  });

  it('run and create pull what is newer', async () => {
    await works('create', '--pull=newer', '-q', 'a');
    expect(world.called('containers.create')[0]?.[1]).to.include({ pull: 'newer' });
  });

  it('push passes its flags on, and writes the digest', async () => {
    const file = join(directory, 'digest');
    const phrase = join(directory, 'phrase');
    writeFileSync(phrase, 'secret\nmore\n');
    await works(
      ...[
        'push',
        '-q',
        '-f',
        'oci',
        '--compression-format=zstd',
        '--compression-level',
        '7',
        '--force-compression',
      ],
      ...[
        '--creds=u:p',
        '--authfile=/a',
        '--cert-dir=/c',
        '--tls-verify=false',
        '--remove-signatures',
        '--sign-by=KEY',
      ],
      ...['--sign-passphrase-file', phrase, '--retry=1', '--digestfile', file, 'localhost/one:1', 'dir:/d'],
    );
    expect(world.called('images.push')).to.deep.equal([
      [
        'localhost/one:1',
        'dir:/d',
        {
          authFile: '/a',
          certDir: '/c',
          creds: { username: 'u', password: 'p' },
          format: 'oci',
          compression: { format: 'zstd', level: 7, force: true },
          removeSignatures: true,
          signBy: 'KEY',
          signPassphrase: 'secret',
          tlsVerify: false,
          retry: 1,
        },
      ],
    ]);
    expect(readFileSync(file, 'utf8')).to.equal(`sha256:${'d'.repeat(64)}`);
    expect(world.out).to.equal('');
  });

  it('save writes to a file or to standard output', async () => {
    await works('save', '-q', '-o', '/f', 'one', 'x:1', 'y:2');
    await works('save', '-q', '-m', '-o', '/f', 'one', 'two');
    await works('save', '-q', '--format=docker-dir', '--compress', '-o', '/d', 'one');
    await works('save', '-q', '--format=oci-archive', '--uncompressed', 'one');
    expect(world.called('images.save')).to.deep.equal([
      [['one'], '/f', { format: 'docker-archive', additionalTags: ['x:1', 'y:2'] }],
      [['one', 'two'], '/f', { format: 'docker-archive' }],
      [['one'], '/d', { format: 'docker-dir', compress: true }],
      [['one'], 'a stream', { format: 'oci-archive', uncompressed: true }],
    ]);
    expect(world.out).to.equal('archive');
    expect(world.err).to.equal('Warning: signatures are left behind\n'.repeat(4));
  });

  it('load takes a policy', async () => {
    await works('load', '-q', '-i', 'https://host/a.tar', '--signature-policy=/p');
    expect(world.called('images.load')).to.deep.equal([['https://host/a.tar', { trustPolicy: '/p' }]]);
    expect(world.out).to.equal('Loaded image: localhost/one:1\n');
  });

  it('refuse bad words with one error and 125', async () => {
    const bad: [string[], RegExp][] = [
      [['pull'], /requires at least 1 arg/],
      [['pull', '--policy=often', 'a'], /unsupported pull policy "often"/],
      [['pull', '--retry-delay=x', 'a'], /invalid duration/],
      [['pull', '--retry=x', 'a'], /invalid argument "x"/],
      [['pull', '--decryption-key=k', 'a'], /no encryption/],
      [['push'], /accepts between 1 and 2 arg\(s\), received 0/],
      [['push', 'a', 'b', 'c'], /received 3/],
      [['push', '-f', 'v2s1', 'a'], /unknown format "v2s1"/],
      [['push', '--compression-format=lz4', 'a'], /cannot find compressor for "lz4"/],
      [['push', '--compress', 'a', 'oci:/d'], /--compress can only be set/],
      [['push', '--encryption-key=k', 'a'], /no encryption/],
      [['push', '--creds=u', 'a'], /USERNAME:PASSWORD/],
      [['save'], /need at least 1 argument/],
      [
        ['save', '--format=x', 'a'],
        /format value must be one of oci-dir oci-archive docker-dir docker-archive/,
      ],
      [['save', '--compress', 'a'], /--compress can only be set when --format is 'docker-dir'/],
      [['save', '--uncompressed', 'a'], /--uncompressed can only be set/],
      [['save', '-o', 'a:b', 'a'], /should not contain ':'/],
      [
        ['save', '-m', '--format=oci-dir', '-o', 'd', 'a', 'b'],
        /for saving multiple images \(only docker-archive\)/,
      ],
      [['save', '--format=oci-dir', 'a'], /is a directory: use the -o flag/],
      [['load', 'x'], /takes no arguments/],
      [['import'], /accepts between 1 and 2/],
    ];
    for (const [argv, message] of bad) {
      world.err = '';
      expect(await world.run(...argv), argv.join(' ')).to.equal(125);
      expect(world.err).to.match(message);
      expect(world.err.match(/^Error: /gm)).to.have.length(1);
    }
    expect(world.calls).to.deep.equal([]);
    world.failures['images.push'] = new VainaError('ERR_NO_SUCH_IMAGE', 'no image with name or id a');
    expect(await world.run('push', 'a')).to.equal(125);
  });

  it('save refuses a terminal', async () => {
    world.terminals.add(1);
    expect(await world.run('save', 'a')).to.equal(125);
    expect(world.err).to.include('refusing to save to terminal. Use -o flag or redirect');
  });
});
