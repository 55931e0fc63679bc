import { expect } from 'chai';
import { formatPlan, formatStep } from '../../../lib/spec/explain.js';
import { encodePlan } from '../../../lib/spec/encode.js';
import type { HostFacts } from '../../../lib/spec/facts.js';
import type { ContainerOptions, ExecOptions } from '../../../lib/spec/options.js';
import { compilePlan } from '../../../lib/spec/plan.js';
import { compilePolicy, type LaunchPolicy } from '../../../lib/spec/policy.js';
import { compileSpec } from '../../../lib/spec/spec.js';
import { type Plan, type StepName, STEPS } from '../../../lib/spec/steps.js';
import {
  compileExecPlan,
  FACTS,
  FILTER,
  ID,
  PATHS,
  ROOT_V1,
  ROOT_V2,
  ROOTLESS,
  SINGLE_ID,
} from './fixtures.js';
import { thrown } from './thrown.js';

function compile(
  options: ContainerOptions = {},
  host: HostFacts = ROOT_V2,
  more: Partial<LaunchPolicy> = {},
): Plan {
  const spec = compileSpec(options, FACTS, host, PATHS);
  const policy = { ...compilePolicy(options, FACTS, PATHS), ...more };
  return compilePlan(spec, {
    id: ID,
    paths: PATHS,
    host,
    policy,
    ...(spec.linux.seccomp ? { seccomp: FILTER } : {}),
  });
}

const names = (plan: Plan): StepName[] => plan.map(([name]) => name);

/** The places of steps, each of which must be there once. */
function places(plan: Plan, ...wanted: StepName[]): number[] {
  const all = names(plan);
  return wanted.map((name) => {
    expect(
      all.filter((other) => other === name),
      name,
    ).to.have.length(1);
    return all.indexOf(name);
  });
}

function ascending(numbers: number[]): void {
  expect(numbers).to.deep.equal([...numbers].sort((a, b) => a - b));
}

const VARIANTS: [string, ContainerOptions, HostFacts][] = [
  ['default', {}, ROOT_V1],
  ['no-new-privileges', { securityOpt: ['no-new-privileges'] }, ROOT_V2],
  ['privileged', { privileged: true, tty: true, devices: ['/dev/fuse'] }, ROOT_V1],
  ['read-only', { readOnly: true, readOnlyTmpfs: false, tty: true }, ROOT_V2],
  ['rootless', { autoRemove: true, memory: '1m' }, ROOTLESS],
  ['single id', { network: 'host', devices: ['/dev/fuse'] }, SINGLE_ID],
];

describe('compilePlan', () => {
  for (const [name, options, host] of VARIANTS) {
    it(`has its phases in order and ends in an exec (${name})`, () => {
      const plan = compile(options, host);
      const order = ['policy', 'host', 'clone', 'inside', 'after'];
      ascending(plan.map(([step]) => order.indexOf(STEPS[step].phase)));
      const inside = plan.filter(([step]) => STEPS[step].phase === 'inside');
      expect(inside.at(-1)?.[0]).to.equal('exec');
      expect(() => encodePlan(plan)).to.not.throw();
    });

    it(`does what needs the host’s mounts before they go, and what needs rights before they go (${name})`, () => {
      const plan = compile(options, host);
      const all = names(plan);
      const [pivot = 0] = places(plan, 'pivot-root');
      for (const early of [
        'bind',
        'mount',
        'mknod',
        'symlink',
        'mask',
        'readonly',
        'console',
        'mkdir',
        'sysctl',
      ] as const) {
        expect(all.lastIndexOf(early), early).to.be.below(pivot);
      }
      ascending(
        places(
          plan,
          'pivot-root',
          'keyring',
          'workdir',
          'umask',
          'bounding',
          'user',
          'capabilities',
          'env',
          'exec',
        ),
      );
      const [user = 0] = places(plan, 'user');
      expect(all.indexOf('parent-death-signal')).to.be.below(pivot);
      expect(all.lastIndexOf('parent-death-signal')).to.be.above(user);
      expect(all.lastIndexOf('rlimit')).to.be.within(pivot, user);
      expect(all.lastIndexOf('sysctl')).to.be.below(
        all.indexOf('readonly') < 0 ? pivot : all.indexOf('readonly'),
      );
    });
  }

  it('filters calls while it may, or last with no-new-privileges', () => {
    ascending(places(compile(), 'seccomp', 'bounding', 'user', 'capabilities', 'env', 'exec'));
    const strict = compile({ securityOpt: ['no-new-privileges'] });
    ascending(
      places(strict, 'bounding', 'user', 'capabilities', 'no-new-privileges', 'seccomp', 'env', 'exec'),
    );
    expect(names(compile({ privileged: true }))).to.not.include('seccomp');
  });

  it('wants the filter exactly when there is a profile', () => {
    const policy = compilePolicy({}, FACTS, PATHS);
    const inputs = { id: ID, paths: PATHS, host: ROOT_V2, policy };
    thrown('ERR_INTERNAL', () => compilePlan(compileSpec({}, FACTS, ROOT_V2, PATHS), inputs));
    const open = compileSpec({ privileged: true }, FACTS, ROOT_V2, PATHS);
    thrown('ERR_INTERNAL', () => compilePlan(open, { ...inputs, seccomp: FILTER }));
  });

  it('makes the image’s working directory, not one that was asked for', () => {
    expect(compile().find(([name]) => name === 'mkdir')).to.deep.equal(['mkdir', '/srv', 0o755]);
    expect(names(compile({ workdir: '/new' }))).to.not.include('mkdir');
    expect(compile({ workdir: '/new' }).find(([name]) => name === 'workdir')).to.deep.equal([
      'workdir',
      '/new',
      0,
    ]);
  });

  it('makes /dev read-only only when all is in it', () => {
    const plan = compile({ readOnly: true, readOnlyTmpfs: false });
    expect(plan.find((step) => step[0] === 'mount' && step[3] === '/dev')?.[4]).to.equal(0x2a);
    expect(plan.findIndex((step) => step[0] === 'readonly' && step[1] === '/dev')).to.be.above(
      names(plan).lastIndexOf('symlink'),
    );
    expect(plan.find(([name]) => name === 'root-attributes')).to.deep.equal(['root-attributes', 1]);
  });

  it('binds nodes where none can be made', () => {
    const plan = compile({ devices: ['/dev/fuse'] }, ROOTLESS);
    expect(names(plan)).to.not.include('mknod');
    const bound = plan
      .filter((step) => step[0] === 'bind' && String(step[2]).startsWith('/dev/'))
      .map((step) => step[2]);
    expect(bound).to.have.members(
      ['null', 'zero', 'full', 'random', 'urandom', 'tty', 'fuse'].map((node) => `/dev/${node}`),
    );
  });

  it('writes id maps by the helpers, or the one id itself', () => {
    expect(compile({}, ROOTLESS).filter(([name]) => name.endsWith('-map'))).to.deep.equal([
      ['uid-map', '/usr/bin/newuidmap', '0 1000 1\n1 100000 65536\n'],
      ['gid-map', '/usr/bin/newgidmap', '0 1000 1\n1 100000 65536\n'],
    ]);
    const single = compile({}, SINGLE_ID).filter(([name]) => STEPS[name].phase === 'clone');
    expect(single.slice(1)).to.deep.equal([
      ['setgroups-deny'],
      ['uid-map', '', '0 1000 1\n'],
      ['gid-map', '', '0 1000 1\n'],
    ]);
  });

  it('mounts cgroup v1 by hierarchy, with links for those that share one', () => {
    const host: HostFacts = {
      ...ROOT_V1,
      cgroup: {
        version: 1,
        parents: {
          cpu: '/sys/fs/cgroup/cpu,cpuacct/v',
          cpuacct: '/sys/fs/cgroup/cpu,cpuacct/v',
          pids: '/sys/fs/cgroup/pids/v',
          blkio: '/sys/fs/cgroup/blkio/v',
        },
        controllers: ['cpu', 'cpuacct', 'pids', 'blkio'],
      },
    };
    const steps = compile({ cpus: 1 }, host).filter(
      (step) =>
        step.slice(1).some((argument) => String(argument).startsWith('/sys/fs/cgroup')) &&
        STEPS[step[0]].phase === 'inside',
    );
    expect(steps.map(formatStep).map((line) => line.slice(8))).to.deep.equal([
      'mount("tmpfs", "tmpfs", "/sys/fs/cgroup", NOSUID|NODEV|NOEXEC, "mode=755,size=64k")',
      'mount("cgroup", "cgroup", "/sys/fs/cgroup/cpu,cpuacct", RDONLY|NOSUID|NODEV|NOEXEC, "cpu,cpuacct")',
      'symlink("cpu,cpuacct", "/sys/fs/cgroup/cpu")',
      'symlink("cpu,cpuacct", "/sys/fs/cgroup/cpuacct")',
      'mount("cgroup", "cgroup", "/sys/fs/cgroup/pids", RDONLY|NOSUID|NODEV|NOEXEC, "pids")',
      'mount("cgroup", "cgroup", "/sys/fs/cgroup/blkio", RDONLY|NOSUID|NODEV|NOEXEC, "blkio")',
      'readonly("/sys/fs/cgroup")',
    ]);
    const unlimited = compile({}, host).map(formatStep).join('\n');
    expect(unlimited).to.include('/sys/fs/cgroup/pids').and.not.include('/sys/fs/cgroup/blkio');
  });

  it('links /dev/core only where the kernel has /proc/kcore', () => {
    const links = (host: HostFacts): boolean =>
      compile({}, host).some((step) => step[0] === 'symlink' && step[2] === '/dev/core');
    expect([links(ROOT_V1), links({ ...ROOT_V1, kcore: false })]).to.deep.equal([true, false]);
  });

  it('supervises as the options say', () => {
    const plan = compile({
      stdin: true,
      tty: true,
      detach: true,
      stopSignal: 'QUIT',
      stopTimeout: 1.5,
      logMaxSize: '1k',
    });
    expect(plan.filter(([name]) => STEPS[name].phase === 'policy').slice(1)).to.deep.equal([
      ['log', PATHS.log, 1024],
      ['stdio', 1],
      ['tty', 0, 0],
      ['keep-stdin'],
      ['stop', 3, 1500],
      ['detach'],
      ['exit-record', PATHS.exitRecord],
    ]);
    expect(compile({}, ROOT_V2, { stdio: 'direct' })).to.deep.include(['stdio', 0]);
    expect(compile()).to.deep.include(['stop', 2, 10000]);
    expect(names(compile({ logDriver: 'none' }))).to.not.include('log');
  });

  it('moves the monitor of a detached container, before all else of the host phase, where it has to and may', () => {
    const monitors = '/sys/fs/cgroup/vaina/monitors';
    const host: HostFacts = { ...ROOT_V2, cgroup: { ...ROOT_V2.cgroup, monitors } as HostFacts['cgroup'] };
    const steps = compile({ detach: true }, host).filter(([name]) => STEPS[name].phase === 'host');
    expect(steps[0]).to.deep.equal(['monitor-cgroup', monitors]);
    expect(names(compile({}, host))).to.not.include('monitor-cgroup');
    expect(names(compile({ detach: true }, ROOT_V2))).to.not.include('monitor-cgroup');
    expect(names(compile({ detach: true }, ROOT_V1))).to.not.include('monitor-cgroup');
  });

  it('removes what is asked for, the directory of the run last', () => {
    expect(
      compile({ autoRemove: true })
        .slice(-3)
        .map(([name]) => name),
    ).to.deep.equal(['cgroup-remove', 'remove-tree', 'remove-run-dir']);
    expect(names(compile())).to.not.include.members(['remove-tree', 'remove-run-dir']);
  });

  it('refuses a stop signal of the image that is none', () => {
    thrown('ERR_INVALID_IMAGE', () => compilePolicy({}, { ...FACTS, image: { StopSignal: 'NOPE' } }, PATHS));
    expect(compilePolicy({}, { ...FACTS, image: {} }, PATHS).stopSignal).to.equal(15);
  });

  it('does not join namespaces by path', () => {
    const spec = compileSpec({ privileged: true }, FACTS, ROOT_V2, PATHS);
    spec.linux.namespaces[0] = { type: 'pid', path: '/proc/1/ns/pid' };
    const policy = compilePolicy({}, FACTS, PATHS);
    thrown('ERR_UNSUPPORTED', () => compilePlan(spec, { id: ID, paths: PATHS, host: ROOT_V2, policy }));
  });
});

describe('compileExecPlan', () => {
  const spec = compileSpec(
    { user: 'alice', capAdd: ['NET_RAW'], groupAdd: ['77'], umask: '077' },
    FACTS,
    ROOT_V2,
    PATHS,
  );
  const { passwd = '', group = '' } = FACTS;
  const exec = (options: ExecOptions = {}, host = ROOT_V2): Plan =>
    compileExecPlan(spec, options, {
      id: ID,
      command: ['id'],
      host,
      passwd,
      group,
      ...(options.privileged ? {} : { seccomp: FILTER }),
    });
  const step = (plan: Plan, name: StepName) => plan.find(([other]) => other === name)?.slice(1);
  const NET_RAW = 1n << 13n;
  const DEFAULT = 0x800405fbn | NET_RAW;

  it('has the credentials of the container', () => {
    const plan = exec();
    expect(step(plan, 'user')).to.deep.equal([1000, 1000, 50, 10, 70000, 77]);
    expect(step(plan, 'capabilities')).to.deep.equal([NET_RAW, NET_RAW, NET_RAW, NET_RAW]);
    expect(step(plan, 'bounding')).to.deep.equal([DEFAULT]);
    expect(step(plan, 'umask')).to.deep.equal([0o77]);
    expect(names(plan)).to.include('seccomp').and.not.include('console');
  });

  it('has those of another user, who never has more than the bounding set', () => {
    expect(step(exec({ user: 'root' }), 'capabilities')).to.deep.equal([DEFAULT, DEFAULT, 0n, 0n]);
    expect(step(exec({ user: '1:1' }), 'capabilities')).to.deep.equal([0n, 0n, 0n, 0n]);
    expect(step(exec({ user: '1000' }), 'capabilities')).to.deep.equal([NET_RAW, NET_RAW, NET_RAW, NET_RAW]);
    expect(step(exec({ user: 'alice:staff' }), 'user')).to.deep.equal([1000, 50]);
    thrown('ERR_NO_SUCH_USER', () => exec({ user: 'nobody' }));
    thrown('ERR_HOST_UNSUPPORTED', () => exec({ user: '1' }, SINGLE_ID));
  });

  it('has all of them with privileged, if root', () => {
    const all = (1n << 41n) - 1n;
    expect(step(exec({ privileged: true, user: '0' }), 'capabilities')).to.deep.equal([all, all, 0n, 0n]);
    expect(step(exec({ privileged: true }), 'capabilities')).to.deep.equal([0n, 0n, 0n, 0n]);
    expect(names(exec({ privileged: true }))).to.not.include('seccomp');
  });

  it('has the home of another user and TERM with a terminal', () => {
    expect(step(exec({ user: 'root' }), 'env')).to.include('HOME=/root');
    expect(step(exec(), 'env')).to.include('HOME=/home/alice');
    expect(step(exec({ user: 'root', env: { HOME: '/x' } }), 'env')).to.include('HOME=/x');
    expect(step(exec({ tty: true }), 'env')).to.include('TERM=xterm');
    expect(step(exec({ tty: true }), 'tty')).to.deep.equal([0, 0]);
  });

  it('needs a command', () => {
    thrown('ERR_INVALID_OPTION', () => compileExecPlan(spec, {}, { id: ID, command: [], host: ROOT_V2 }));
  });

  it('encodes', () => {
    expect(() => encodePlan(exec({ tty: true }))).to.not.throw();
  });
});

describe('formatPlan', () => {
  it('prints a line for each step, with symbols, and nothing that a terminal would obey', () => {
    const text = formatPlan([
      ['run-dir', '/run/\u001b[2J\n"x"\u202e\u009b'],
      ['clone', 0x6c020000],
      ['mount', 'tmpfs', 'tmpfs', '/t', 0x8_0000_000f, ''],
      ['rlimit', 7, 5n, 0xffff_ffff_ffff_ffffn],
      ['rlimit', 99, 5n, 6],
      ['capabilities', 0n, (1n << 41n) - 1n, 1n, 1n << 13n],
      ['seccomp', 0, new Uint8Array(16)],
      ['umask', 0o22],
    ]);
    expect(text.split('\n')).to.deep.equal([
      'policy  run-dir("/run/\\u001b[2J\\n\\"x\\"\\u202e\\u009b")',
      'clone   clone(CLONE_NEWNS|CLONE_NEWUTS|CLONE_NEWIPC|CLONE_NEWPID|CLONE_NEWNET)',
      'inside  mount("tmpfs", "tmpfs", "/t", RDONLY|NOSUID|NODEV|NOEXEC|0x800000000, "")',
      'inside  rlimit(RLIMIT_NOFILE, 5, RLIM_INFINITY)',
      'inside  rlimit(99, 5, 6)',
      'inside  capabilities(0, all, chown, net_raw)',
      'inside  seccomp(0, [2 instructions])',
      'inside  umask(022)',
      '',
    ]);
  });
});
