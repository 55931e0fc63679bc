import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { Engine, type ProgressEvent } from '../../lib/index.js';
import {
  makeDirectory,
  removeAll,
  removeDirectory,
  runProgram,
  vaina,
  type Ended,
} from '../support/containers.js';
import { startDistribution, type Distribution } from '../support/distribution.js';
import { expectNothingLeft, takeCensus, type Census } from '../support/leftovers.js';
import { Podman } from '../support/podman.js';
import { requires } from '../support/requires.js';
import { compareTrees, readTree } from '../support/trees.js';
import { createUser, nodeAsUser, removeUser, runAsUser, type TestUser } from '../support/users.js';

/** Kept between runs, since making it takes half a minute; CI starts without one. */
const CACHE = '/var/tmp/vaina-test-cache';

const IMAGE = 'localhost/debian:test';

/** An archive (`oci-archive:`) of an image with a Debian root file system of about 170 MB. */
function debianArchive(podman: Podman): string {
  const archive = join(CACHE, 'debian.oci');
  if (existsSync(archive)) return archive;
  mkdirSync(CACHE, { recursive: true });
  const root = join(CACHE, 'root.tar');
  // Should the machine fail meanwhile, nobody wants what is there.
  const options = ['--quiet', '--dpkgopt=force-unsafe-io', '--variant=minbase', '--include=iproute2,procps'];
  execFileSync('mmdebstrap', [...options, 'bookworm', root], { stdio: 'inherit' });
  podman.import(root, IMAGE);
  rmSync(root);
  const part = `${archive}.part`;
  podman.output('save', '--quiet', '--format', 'oci-archive', '--output', part, IMAGE);
  renameSync(part, archive);
  return archive;
}

/** The blob of which most is told. */
function largest(events: readonly ProgressEvent[]): string | undefined {
  return [...events].sort((a, b) => b.total - a.total)[0]?.id;
}

describe('a Debian image from a registry', function () {
  this.timeout(300_000);
  requires('root', 'mmdebstrap', 'skopeo', 'docker-registry', 'podman', 'getfattr', 'useradd', 'newuidmap');
  let directory: string;
  let registry: Distribution;
  let reference: string;
  let census: Census;
  let podman: Podman;
  /** By podman, while we pull. */
  let loaded: Promise<Ended>;
  const box = { root: '', runroot: '' };

  before(async () => {
    directory = makeDirectory();
    chmodSync(directory, 0o755);
    box.root = join(directory, 'root');
    box.runroot = join(directory, 'run');
    podman = new Podman(directory);
    const archive = debianArchive(podman);
    loaded = podman.run('load', '--quiet', '--input', archive);
    loaded.catch(() => undefined);
    census = takeCensus(box);
    registry = await startDistribution(directory);
    reference = `${registry.host}/library/debian:test`;
    // Through an OCI layout, so that skopeo pushes what any engine would.
    execFileSync('skopeo', [
      'copy',
      '--quiet',
      '--dest-tls-verify=false',
      `oci-archive:${archive}`,
      `docker://${reference}`,
    ]);
  });

  after(async () => {
    await registry?.stop();
    await loaded?.catch(() => undefined);
    podman?.dispose();
    if (directory !== undefined) removeDirectory(directory);
  });

  const SCRIPT = 'cat /etc/debian_version; dpkg -l | grep -c ^ii; exit 5';

  it('is pulled and run by the API, with progress', async () => {
    await using engine = await Engine.open(box);
    const events: ProgressEvent[] = [];
    const before = performance.now();
    const image = await engine.images.pull(reference, {
      tlsVerify: false,
      onProgress: (event) => events.push(event),
    });
    const took = performance.now() - before;
    console.log(`      pulled and unpacked in ${Math.round(took)} ms`);
    const of = events.filter(({ id, phase }) => id === largest(events) && phase !== 'unpack');
    expect(of.length).to.be.within(3, took / 100 + 3);
    expect(of.at(-1)).to.include({ phase: 'done', current: of.at(-1)?.total });
    expect(of.map(({ current }) => current)).to.deep.equal(
      of.map(({ current }) => current).sort((a, b) => a - b),
    );
    expect(image.names).to.include(reference);
    const result = await engine.run(reference, ['bash', '-c', SCRIPT]);
    expect(result.exitCode).to.equal(5);
    expect(result.stdout).to.match(/^12\.\d+\n\d{3}\n$/);
    const ping = await engine.run(image, [
      'bash',
      '-c',
      'ip addr show lo | grep -c "inet 127"; stat -c %a /usr/bin/passwd; getent passwd nobody',
    ]);
    expect(ping.stdout).to.match(/^1\n4755\nnobody:x:65534:/);
  });

  it('unpacks to the same tree as podman’s', async () => {
    const { exitCode, stderr } = await loaded;
    expect(exitCode, stderr).to.equal(0);
    const size = podman.output('image', 'inspect', '--format', '{{.Size}}', IMAGE);
    expect(Number(size)).to.be.greaterThan(150 * 1048576);
    await using engine = await Engine.open(box);
    const container = await engine.containers.create(reference, { command: ['true'] });
    const { GraphDriver } = await container.inspect();
    const [layer = ''] = (GraphDriver.Data['LowerDir'] ?? '').split(':');
    const id = podman.output('create', IMAGE, 'true').trim();
    const theirs = JSON.parse(podman.output('inspect', '--format', '{{json .GraphDriver.Data}}', id)) as {
      LowerDir: string;
    };
    const [peer = ''] = theirs.LowerDir.split(':');
    const ours = readTree(layer);
    expect(ours.size).to.be.greaterThan(5000);
    expect(compareTrees(ours, readTree(peer)).slice(0, 20).join('\n')).to.equal('');
    podman.output('rm', id);
    await container.remove();
  });

  it('lies in our store as an OCI layout that skopeo reads', async () => {
    const ended = await runProgram('skopeo', ['inspect', `oci:${box.root}/images:${reference}`]);
    expect(ended.exitCode, ended.stderr).to.equal(0);
    const inspected = JSON.parse(ended.stdout) as { Os: string; Layers: string[]; Digest: string };
    expect(inspected.Os).to.equal('linux');
    expect(inspected.Layers).to.have.length(1);
    await using engine = await Engine.open(box);
    expect((await engine.images.get(reference)).digest).to.equal(inspected.Digest);
    const copied = await runProgram('skopeo', [
      'copy',
      '--quiet',
      `oci:${box.root}/images:${reference}`,
      `dir:${directory}/copy`,
    ]);
    expect(copied.exitCode, copied.stderr).to.equal(0);
  });

  it('is pulled and run by the command line', async () => {
    const own = { root: join(directory, 'cli-root'), runroot: join(directory, 'cli-run') };
    const run = await vaina(own, ['run', '--rm', '--tls-verify=false', reference, 'bash', '-c', SCRIPT]);
    expect(run.exitCode, run.stderr).to.equal(5);
    expect(run.stdout).to.match(/^12\.\d+\n\d{3}\n$/);
    const images = await vaina(own, ['images', '--format', '{{.Repository}}:{{.Tag}}']);
    expect(images.stdout).to.equal(`${reference}\n`);
    expect((await vaina(own, ['rmi', reference])).exitCode).to.equal(0);
    expect((await vaina(own, ['images', '-q'])).stdout).to.equal('');
  });

  it('leaves nothing of all that but the store', async () => {
    await using engine = await Engine.open(box);
    await removeAll(engine);
    await expectNothingLeft(census, box);
    await (await engine.images.get(reference)).remove();
    expect(
      execFileSync('find', [join(box.root, 'layers'), join(box.root, 'images/blobs'), '-type', 'f'], {
        encoding: 'utf8',
      }),
    ).to.equal('');
  });

  describe('by an ordinary user', () => {
    let user: TestUser;

    before(() => {
      user = createUser('vainadebian');
    });

    after(() => {
      if (user !== undefined) removeUser(user.name);
    });

    it('is pulled and run by the API, with the owners inside that the image has', async () => {
      const ended = await runAsUser(user, 'test/support/children/rootless', [
        'pull',
        JSON.stringify({ pull: reference }),
      ]);
      expect(ended.exitCode, ended.stderr).to.equal(0);
      const answer = JSON.parse(ended.stdout) as { exitCode: number; stdout: string };
      expect(answer.exitCode).to.equal(0);
      expect(answer.stdout).to.match(
        /^12\.\d+\n\/etc\/shadow root:shadow 640\n\/usr\/bin\/passwd root:root 4755\n\/tmp root:root 1777\n\d+\n$/,
      );
    });

    it('is run by the command line', async () => {
      const [command, args] = nodeAsUser(user, 'lib/cli/main', [
        'run',
        '--rm',
        reference,
        'bash',
        '-c',
        SCRIPT,
      ]);
      const ended = await runProgram(command, args, { cwd: '/' });
      expect(ended.exitCode, ended.stderr).to.equal(5);
      expect(ended.stdout).to.match(/^12\.\d+\n\d{3}\n$/);
    });
  });
});
