import { spawnSync } from 'node:child_process';
import { readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import type { ContainerOptions, ExecOptions } from '../../lib/index.js';
import { compileStatic, useEngine } from '../support/containers.js';
import { Podman, PODMAN_LIMITS } from '../support/podman.js';
import { requires } from '../support/requires.js';

/** A difference that is meant: lines of ours and of podman's that match are not compared. */
interface Difference {
  /** A pattern for lines that only podman's container shows. */
  theirs?: RegExp;
  /** A pattern for lines that only ours shows. */
  ours?: RegExp;
  reason: string;
  /** Whether it must show on this host; absent: it must. */
  when?: () => boolean;
}

/**
 * Every difference between podman 4.3 with runc 1.1 and us, with its reason. A line that differs and is not here fails
 * the test, and so does an entry that could show on this host and that no scenario needs any more.
 */
const DIFFERENCES: Difference[] = [
  {
    theirs: /^env\tcontainer=podman$/,
    ours: /^env\tcontainer=vaina$/,
    reason: 'each engine names itself',
  },
  {
    theirs: /^cgroup\t\d+:[^:]*:\/libpod_parent\/|^ns\tcgroup\thost$/,
    ours: /^cgroup\t\d+:[^:]*:\/$|^ns\tcgroup\town$/,
    reason: 'on cgroup v1 podman keeps the cgroup namespace of the host, ours is private everywhere',
  },
  {
    theirs: /^mask\t\/proc\/interrupts\tfile, readable$/,
    ours: /^mask\t\/proc\/interrupts\tfile, empty$|^mount\t\/proc\/interrupts /,
    reason: 'masked since it is an interface for timing other tenants; podman 4.3 is older than that',
  },
  {
    theirs: /^call\tsocket\(AF_VSOCK\)\tallowed$/,
    ours: /^call\tsocket\(AF_VSOCK\)\tE(PERM|NOSYS|AFNOSUPPORT)$/,
    reason: 'a door to the hypervisor; newer profiles of the peers refuse it as well',
  },
  {
    theirs: /^call\tsocket\(AF_ALG\)\tallowed$/,
    ours: /^call\tsocket\(AF_ALG\)\tEAFNOSUPPORT$/,
    reason:
      'the kernel’s crypto interface has had holes; our filter gives the answer of a kernel that lacks it, so that ' +
      'nothing differs where it is lacking',
    when: () => spawnSync('python3', ['-c', 'import socket; socket.socket(38, 5)']).status === 0,
  },
  {
    theirs: /^call\tsetns\tEBADF$/,
    ours: /^call\tsetns\tEPERM$/,
    reason:
      'joining namespaces needs CAP_SYS_ADMIN here and in Docker’s profile; podman 4.3 lets the kernel decide',
  },
  {
    theirs: /^call\tkeyctl\tEOPNOTSUPP$/,
    ours: /^call\tkeyctl\tENOSYS$/,
    reason:
      'keyrings belong to users, not to containers: refused, as Docker does; podman lets the kernel decide',
  },
  {
    theirs: /^status\tGroups\t(29 |29 50 )?$/,
    ours: /^status\tGroups\t(0 29 |29 50 1000 )$/,
    reason:
      'the primary group is always in the list too, so that a file that denies it denies it; podman leaves it out of ' +
      'root’s and of an exec’s, and all groups out of an exec of root',
  },
  {
    theirs: /^mount\t\/run\/\.containerenv /,
    ours: /^mount\t\/run\/\.containerenv /,
    reason: 'the same file from another store; podman leaves it out of a read-only container’s tmpfs',
  },
  {
    theirs: /^mount\t\/run nodev,nosuid,relatime,rw {2}- tmpfs rw$/,
    ours: /^mount\t\/run nodev,nosuid,relatime,rw {2}- tmpfs mode=755,rw$/,
    reason:
      'the same mode: ours is made with it, podman’s runtime changes it later to that of the image’s directory',
  },
  {
    theirs: /^mount\t\/sys nodev,noexec,nosuid,relatime,ro {2}- sysfs ro$/,
    ours: /^mount\t\/sys nodev,noexec,nosuid,relatime,ro {2}- sysfs rw$/,
    reason:
      'read-only as a mount, which is the only one of it; the file system itself is shared by all containers of a ' +
      'network namespace, of which one may be privileged',
  },
  {
    theirs:
      /^mount\t\/sys\/fs\/cgroup nodev,noexec,nosuid,relatime,rw {2}- tmpfs mode=755,rw$|^write\t\/sys\/fs\/cgroup\t/,
    ours: /^mount\t\/sys\/fs\/cgroup nodev,noexec,nosuid,relatime,ro {2}- tmpfs mode=755,rw,size=N$|^write\t\/sys\/fs\/cgroup\tEROFS$/,
    reason:
      'nobody has to write beside the hierarchies; podman leaves this tmpfs writable, without a limit of size',
  },
  {
    theirs: /^mount\t\/sys\/fs\/cgroup\/(cpu|cpuset|blkio|freezer) /,
    reason:
      'these hierarchies come with a limit of memory or processors; without one they only cost time at a start',
  },
  {
    theirs: /^mount\t\/sys\/fs\/cgroup\/systemd /,
    reason:
      'this hierarchy has no limits and no figures and belongs to the host’s systemd; only a systemd in the container ' +
      'would need one of its own',
  },
  {
    theirs: /^mount\t\/(proc|sys)\/[\w/]+ relatime,ro {2}- tmpfs ro$/,
    ours: /^mount\t\/(proc|sys)\/[\w/]+ nodev,noexec,nosuid,relatime,ro {2}- tmpfs mode=755,ro,size=N$/,
    reason: 'a mask of a directory is nosuid, nodev and noexec too, and nothing fits into it',
  },
  {
    theirs: /^mount\t\/proc\/\w+ noexec,nosuid,rw {2}- tmpfs mode=755,rw,size=N$/,
    ours: /^mount\t\/proc\/\w+ noexec,nosuid,relatime,ro {2}- devtmpfs mode=755,nr_inodes=N,rw,size=N$/,
    reason:
      'a mask of a file is the host’s verified /dev/null, read-only; podman’s is the container’s own, which an image ' +
      'could make a link of',
  },
  {
    theirs: /^status\tNSpid\t\d+$|^process\tids\tpid (\d+) ppid 0 pgid \1 sid \1$/,
    ours: /^status\tNSpid\t2$|^process\tids\tpid 2 ppid 0 pgid 2 sid 2$/,
    reason: 'the first exec is the second process; runc takes some pids of the container for its own steps',
  },
  {
    theirs: /^rlimit\t7\t2048 2048$/,
    ours: /^rlimit\t7\t1024 2048$/,
    reason:
      'an exec has the container’s limits; podman’s has them or the soft limit that Go raised for itself, as it happens',
    when: () => false,
  },
];

/** Facts of the probe in a form that two containers can have in common. */
function normalise(output: string): Set<string> {
  const lines = new Set<string>();
  for (const line of output.split('\n')) {
    const [kind = '', ...rest] = line.split('\t');
    if (kind === '') continue;
    if (kind === 'mount') lines.add(normaliseMount(rest.join('\t')));
    else if (kind === 'ns')
      lines.add(`ns\t${rest[0]}\t${rest[1] === hostNamespace(rest[0] ?? '') ? 'host' : 'own'}`);
    else if (kind === 'fd') lines.add(`fd\t${rest[0]}\t${(rest[1] ?? '').replace(/\[\d+\]/, '')}`);
    else lines.add(line.replace(/\b[0-9a-f]{64}\b/g, 'ID').replace(/\b[0-9a-f]{12}\b(?!\t)/g, 'SHORTID'));
  }
  return lines;
}

function hostNamespace(name: string): string {
  try {
    return readlinkSync(`/proc/self/ns/${name.replace('_for_children', '')}`);
  } catch {
    return '';
  }
}

/** Mount point, its options, propagation, type and the options of the file system; no numbers, no host paths. */
function normaliseMount(line: string): string {
  const [, , , , point = '', options = '', ...rest] = line.split(' ');
  const dash = rest.indexOf('-');
  const propagation = rest.slice(0, dash).map((field) => field.replace(/:\d+/, ':N'));
  const [type = '', , data = ''] = rest.slice(dash + 1);
  const kept = data
    .split(',')
    .filter(
      (option) =>
        !/^(lowerdir|upperdir|workdir)[+=]|^(index|uuid|metacopy|fsync|xino|redirect_dir|nouserxattr)=?/.test(
          option,
        ),
    )
    .map((option) => option.replace(/^(size|nr_inodes)=.*$/, '$1=N'))
    .sort();
  // The options of the disk that a bound file comes from are the host's.
  const filesystem = ['ext4', 'xfs', 'btrfs'].includes(type) ? 'a disk' : `${type} ${kept.join(',')}`;
  return [
    'mount',
    `${point} ${options.split(',').sort().join(',')} ${propagation.join(' ')} - ${filesystem}`,
  ].join('\t');
}

interface Scenario {
  title: string;
  podman: string[];
  options: ContainerOptions;
  exec?: { podman: string[]; options: ExecOptions };
}

const SCENARIOS: Scenario[] = [
  { title: 'the defaults', podman: [], options: {} },
  { title: 'an ordinary user of the image', podman: ['--user', '1000:1000'], options: { user: '1000:1000' } },
  { title: 'a user by name', podman: ['--user', 'alice'], options: { user: 'alice' } },
  {
    title: 'a read-only root, other capabilities, no new privileges',
    podman: [
      '--read-only',
      '--cap-drop',
      'CHOWN',
      '--cap-add',
      'NET_RAW',
      '--security-opt',
      'no-new-privileges',
    ],
    options: { readOnly: true, capDrop: ['CHOWN'], capAdd: ['NET_RAW'], securityOpt: ['no-new-privileges'] },
  },
  { title: 'an exec', podman: [], options: {}, exec: { podman: [], options: {} } },
  {
    title: 'an exec as an ordinary user',
    podman: [],
    options: {},
    exec: { podman: ['--user', 'alice'], options: { user: 'alice' } },
  },
];

describe('isolation beside podman with runc', function () {
  this.timeout(60_000);
  requires('root', 'podman', 'runc', 'gcc', 'cgroup1');
  let podman: Podman;
  // Before useEngine, which removes the directory at its end.
  after(() => podman?.dispose());
  const box = useEngine((root) => {
    compileStatic('test/support/probe.c', join(root, 'probe'));
  });
  const used = new Set<Difference>();

  before(() => {
    podman = new Podman(box.directory);
    podman.import(join(box.directory, 'busybox-root.tar'), box.image);
  });

  // What podman's image configuration and ours say must not differ: neither gets one that adds anything.
  const ENV = { PATH: '/bin', FROM_IMAGE: 'yes' };
  const LIMITS: ContainerOptions = { ulimits: ['nofile=1024:2048', 'nproc=1000:2000'], env: ENV };
  const COMMON = [
    ...PODMAN_LIMITS,
    '--network',
    'none',
    '--env',
    'PATH=/bin',
    '--env',
    'FROM_IMAGE=yes',
    '--hostname',
    'probe',
  ];

  async function theirs(scenario: Scenario): Promise<string> {
    if (!scenario.exec) {
      const ended = await podman.run('run', '--rm', ...COMMON, ...scenario.podman, box.image, '/probe');
      expect(ended.exitCode, ended.stderr).to.equal(0);
      return ended.stdout;
    }
    const id = podman.output('run', '-d', ...COMMON, ...scenario.podman, box.image, 'sleep', '1000').trim();
    const ended = await podman.run('exec', ...scenario.exec.podman, id, '/probe');
    podman.output('rm', '-f', '-t', '0', id);
    expect(ended.exitCode, ended.stderr).to.equal(0);
    return ended.stdout;
  }

  async function ours(scenario: Scenario): Promise<string> {
    const options = { ...LIMITS, hostname: 'probe', ...scenario.options };
    if (!scenario.exec) {
      const result = await box.engine.run(box.image, ['/probe'], options);
      expect(result.exitCode, String(result.stderr)).to.equal(0);
      return String(result.stdout);
    }
    const container = await box.engine.containers.run(box.image, { ...options, command: ['sleep', '1000'] });
    const result = await container.exec(['/probe'], scenario.exec.options);
    await container.remove({ force: true, timeout: 0 });
    expect(result.exitCode, String(result.stderr)).to.equal(0);
    return String(result.stdout);
  }

  for (const scenario of SCENARIOS) {
    it(`${scenario.title}: nothing differs but what is listed`, async () => {
      const podmans = normalise(await theirs(scenario));
      const own = normalise(await ours(scenario));
      expect(own.size).to.be.greaterThan(120);
      const explain = (line: string, side: 'theirs' | 'ours'): boolean => {
        const entry = DIFFERENCES.find((difference) => difference[side]?.test(line));
        if (entry) used.add(entry);
        return entry !== undefined;
      };
      const unexplained = [
        ...[...podmans]
          .filter((line) => !own.has(line) && !explain(line, 'theirs'))
          .map((line) => `podman: ${line}`),
        ...[...own]
          .filter((line) => !podmans.has(line) && !explain(line, 'ours'))
          .map((line) => `ours:   ${line}`),
      ];
      expect(unexplained.join('\n')).to.equal('');
    });
  }

  it('needs every entry of the list of differences', () => {
    const needed = DIFFERENCES.filter((entry) => entry.when?.() ?? true);
    expect(needed.filter((entry) => !used.has(entry)).map((entry) => entry.reason)).to.deep.equal([]);
  });

  it('reads the host’s secrets no better than podman does', () => {
    // Guards the probe itself: on the host, what is masked in a container can be read.
    expect(readFileSync('/proc/timer_list').length).to.be.greaterThan(0);
  });
});
