import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { VainaError } from '../../../lib/errors.js';
import { World } from './fake.js';

const FROM = 'docker://quay.io/a:1';
const TO = 'oci:/srv/a:1';

describe("the command line: skopeo's words", () => {
  let directory: string;
  let world: World;
  beforeEach(() => {
    world = new World();
    world.told['copyImage'] = { digest: 'sha256:abc' };
  });
  before(() => void (directory = mkdtempSync(join(tmpdir(), 'vaina-cli-'))));
  after(() => rmSync(directory, { recursive: true }));

  it('copy hands on both ends apart, and prints what skopeo prints', async () => {
    const digestfile = join(directory, 'digest');
    const code = await world.run(
      ...[
        'copy',
        '--src-creds',
        'me:p:w',
        '--dest-tls-verify=false',
        '--dest-username',
        'u',
        '--dest-password',
        'v',
      ],
      ...['--src-no-creds=false', '--dest-shared-blob-dir', '/b', '--retry-times', '0', '--all', '-f', 'oci'],
      ...['--dest-compress-format', 'zstd', '--dest-compress-level', '7', '--digestfile', digestfile],
      ...['--additional-tag', 'x:1,y:2', FROM, TO],
    );
    expect(world.err).to.equal('');
    expect(code).to.equal(0);
    expect(world.called('copyImage')).to.deep.equal([
      [
        FROM,
        TO,
        {
          multiArch: 'all',
          format: 'oci',
          compression: { format: 'zstd', level: 7 },
          additionalTags: ['x:1', 'y:2'],
          source: { credentials: { username: 'me', password: 'p:w' }, tries: 1 },
          destination: {
            credentials: { username: 'u', password: 'v' },
            tlsVerify: false,
            sharedBlobDirectory: '/b',
            tries: 1,
          },
        },
      ],
    ]);
    const lines = [
      'Getting image source signatures',
      'Writing manifest to image destination',
      'Storing signatures',
    ];
    expect(world.out).to.equal(`${lines.join('\n')}\n`);
    expect(readFileSync(digestfile, 'utf8')).to.equal('sha256:abc');
    expect(world.opened).to.equal(undefined);
  });

  it('takes the global flags before and after the command, and for no other command', async () => {
    const passphrase = join(directory, 'passphrase');
    writeFileSync(passphrase, 'secret\nrest\n');
    await world.run(
      ...[
        '--policy',
        '/p.json',
        '--registries.d',
        '/r',
        '--override-arch',
        'arm64',
        '--command-timeout',
        '1m30s',
      ],
      ...[
        'copy',
        '-q',
        '--override-os',
        'linux',
        '--override-variant',
        'v8',
        '--tmpdir',
        '/t',
        '--sign-by',
        'KEY',
      ],
      ...['--sign-passphrase-file', passphrase, '--sign-identity', 'a.b/c:d', FROM, TO],
    );
    expect(world.called('copyImage')[0]?.[2]).to.deep.equal({
      timeoutMs: 90_000,
      tmpDir: '/t',
      platform: 'linux/arm64/v8',
      policy: '/p.json',
      registriesDir: '/r',
      signBy: 'KEY',
      signPassphrase: 'secret',
      signIdentity: 'a.b/c:d',
      source: {},
      destination: {},
    });
    expect(world.out).to.equal('');
    expect(await world.run('--insecure-policy', 'ps')).to.equal(125);
    expect(world.err).to.include('unknown flag: --insecure-policy');
  });

  it('opens the engine for its own images only', async () => {
    await world.run('copy', 'vaina:a', TO);
    expect(world.opened).to.deep.equal({});
    expect(world.called('copyImage')[0]?.[2]).to.have.property('store');
    expect(world.closed).to.equal(1);
  });

  it('ends with 1 for a failure, and says why as skopeo does', async () => {
    const rejected = new VainaError('ERR_POLICY_REJECTED', 'Not signed.', { op: 'policy' });
    world.failures['copyImage'] = new VainaError('ERR_POLICY_REJECTED', 'source x: Not signed.', {
      cause: rejected,
    });
    expect(await world.run('copy', FROM, TO)).to.equal(1);
    expect(world.err).to.include('Source image rejected: Not signed.');
    const wrong: Record<string, string[]> = {
      'two arguments expected': ['copy', FROM],
      'cannot be specified at the same time': ['copy', '--src-creds', 'a:b', '--src-no-creds', FROM, TO],
      'must be specified together': ['copy', '--dest-username', 'a', FROM, TO],
      'is no longer written': ['copy', '--format', 'v2s1', FROM, TO],
      'cannot find compressor': ['copy', '--dest-compress-format', 'lz4', FROM, TO],
      'unknown multi-arch option': ['copy', '--multi-arch', 'some', FROM, TO],
      'Cannot use --all': ['copy', '--multi-arch', 'system', '--all', FROM, TO],
      'invalid duration': ['copy', '--command-timeout', 'soon', FROM, TO],
      'exactly one': ['list-tags'],
      'A source transport must be specified': ['sync', 'a', 'b'],
      '"x" is not a valid destination transport': ['sync', '--src', 'dir', '--dest', 'x', 'a', 'b'],
      'Exactly one argument': ['inspect', FROM, FROM],
      'raw output does not support format': ['inspect', '--raw', '--format', 'x', FROM],
    };
    for (const [words, argv] of Object.entries(wrong)) {
      const other = new World();
      expect(await other.run(...argv), words).to.equal(1);
      expect(other.err).to.include(words);
      expect(other.calls).to.deep.equal([]);
    }
  });

  it('inspect means an image where it is only with a transport', async () => {
    world.told['inspectImage'] = {
      Name: '',
      Created: '2023-11-14T22:13:20.1Z',
      Labels: { b: '2', a: '1' },
      Os: 'linux',
    };
    expect(await world.run('inspect', 'dir:/x', '--format', '{{.Os}} {{.Labels}} {{.Created}}')).to.equal(0);
    expect(world.out).to.equal('linux map[a:1 b:2] 2023-11-14 22:13:20.1 +0000 UTC\n');
    world.out = '';
    await world.run('inspect', '--no-tags', '--tls-verify=false', FROM);
    expect(JSON.parse(world.out)).to.not.have.property('Name');
    expect(world.called('inspectImage')[1]).to.deep.equal([FROM, { tlsVerify: false, tags: false }]);
    world.told['inspectImage'] = Buffer.from('{"raw":1}');
    world.out = '';
    await world.run('inspect', '--raw', FROM);
    expect(world.out).to.equal('{"raw":1}');
    expect(await world.run('inspect', '--raw', 'thing')).to.equal(125);
    expect(world.err).to.include('--raw is for an image with its transport');
  });

  it('list-tags, delete and manifest-digest', async () => {
    world.told['listTags'] = { repository: 'quay.io/a', tags: ['1', '2'] };
    expect(await world.run('list-tags', '--creds', 'a:b', 'docker://quay.io/a')).to.equal(0);
    expect(world.out).to.equal(
      '{\n    "Repository": "quay.io/a",\n    "Tags": [\n        "1",\n        "2"\n    ]\n}\n',
    );
    expect(await world.run('delete', '--shared-blob-dir', '/b', TO)).to.equal(0);
    expect(world.called('deleteImage')).to.deep.equal([[TO, { sharedBlobDirectory: '/b' }]]);
    const manifest = join(directory, 'manifest');
    writeFileSync(manifest, 'seven b');
    world.out = '';
    expect(await world.run('manifest-digest', manifest)).to.equal(0);
    expect(world.out).to.equal('sha256:7\n');
    expect(await world.run('manifest-digest', join(directory, 'none'))).to.equal(1);
  });

  it('sync logs each image, and fails at the end for those that failed', async () => {
    const image = { source: 'docker://a/b:1', destination: 'dir:/d/b:1' };
    world.synced = [
      { phase: 'start', ...image, number: 1, of: 2 },
      { phase: 'failed', ...image, number: 1, of: 2, error: new Error('gone') },
    ];
    world.told['syncImages'] = {
      sources: 1,
      images: [{ ...image, copy: { digest: 'sha256:1' } }],
      failed: [{ ...image, error: new Error('gone') }],
    };
    const digestfile = join(directory, 'digests');
    const code = await world.run(
      ...['sync', '--src', 'docker', '--dest', 'dir', '--scoped', '--keep-going', '--append-suffix', '-x'],
      ...['--digestfile', digestfile, 'a/b', '/d'],
    );
    expect(code).to.equal(1);
    const [from, to, options] = world.called('syncImages')[0] ?? [];
    expect([from, to]).to.deep.equal([
      { transport: 'docker', place: 'a/b' },
      { transport: 'dir', place: '/d' },
    ]);
    expect(options).to.deep.equal({
      scoped: true,
      keepGoing: true,
      appendSuffix: '-x',
      source: {},
      destination: {},
    });
    const log = world.err.replaceAll('time="2026-03-01T12:00:00Z" ', '');
    expect(log).to.include('level=info msg="Copying image ref 1/2" from="docker://a/b:1" to="dir:/d/b:1"\n');
    expect(log).to.include('level=error msg="Error copying ref \\"docker://a/b:1\\": gone"\n');
    expect(log).to.include('level=info msg="Synced 1 images from 1 sources"\n');
    expect(readFileSync(digestfile, 'utf8')).to.equal('sha256:1 dir:/d/b:1\n');
  });
});
