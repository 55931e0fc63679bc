import { expect } from 'chai';
import { formatPlan } from '../../../lib/spec/explain.js';
import type { ContainerFacts, ContainerPaths, HostFacts } from '../../../lib/spec/facts.js';
import type { ContainerOptions } from '../../../lib/spec/options.js';
import { compilePlan } from '../../../lib/spec/plan.js';
import { compilePolicy } from '../../../lib/spec/policy.js';
import { compileSpec } from '../../../lib/spec/spec.js';
import { formatSpec, parseSpec } from '../../../lib/spec/spec-json.js';
import { validateContainerOptions } from '../../../lib/spec/validate.js';
import { workerPlan } from '../../../lib/store/worker-plan.js';
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
import { expectGolden } from './golden.js';

interface Case {
  options?: ContainerOptions;
  host: HostFacts;
  facts?: ContainerFacts;
  paths?: ContainerPaths;
}

const { lower: _lower, upper: _upper, work: _work, ...plainPaths } = PATHS;
const { image: _image, ...plainFacts } = FACTS;

const CASES: Record<string, Case> = {
  'root-v1': { host: ROOT_V1 },
  'root-v2': { host: ROOT_V2 },
  'rootless-v2': { host: ROOTLESS },
  'rootless-single-id': { host: SINGLE_ID },
  privileged: { host: ROOT_V2, options: { privileged: true } },
  'tty-readonly': {
    host: ROOT_V2,
    options: { tty: true, stdin: true, readOnly: true, init: true, detach: true },
  },
  rootfs: {
    host: ROOT_V2,
    options: { rootfs: '/srv/tree', command: ['/bin/true'], autoRemove: true, logDriver: 'none' },
    facts: plainFacts,
    paths: { ...plainPaths, lower: [], rootfs: '/srv/tree' },
  },
  limits: {
    host: ROOT_V1,
    options: {
      memory: '512m',
      memoryReservation: '256m',
      cpus: 1.5,
      cpuShares: 512,
      cpuset: '0,1',
      pidsLimit: 100,
      ulimits: ['core=0:-1', 'nofile=1024:2048'],
      volumes: ['/srv/data:/data:ro', '/srv/file:/etc/app.conf:bind,noexec'],
      tmpfs: ['/scratch:size=1m,mode=700,exec'],
      devices: ['/dev/fuse:rw'],
      user: 'alice',
      groupAdd: ['wheel', '77'],
      capAdd: ['NET_RAW'],
      securityOpt: ['no-new-privileges', 'mask=/srv/secret', 'unmask=/proc/a*'],
      sysctls: { 'net.ipv4.ip_forward': '1', 'kernel.msgmax': '65536' },
      oomScoreAdj: 100,
      network: 'none',
    },
  },
  'host-network': { host: ROOTLESS, options: { network: 'host' } },
};

describe('spec and plan goldens', () => {
  for (const [name, { options = {}, host, facts = FACTS, paths = PATHS }] of Object.entries(CASES)) {
    const compile = () => {
      const checked = validateContainerOptions(options);
      const spec = compileSpec(checked, facts, host, paths);
      const policy = compilePolicy(checked, facts, paths);
      const inputs = { id: ID, paths, host, policy, ...(spec.linux.seccomp ? { seccomp: FILTER } : {}) };
      return { spec, plan: compilePlan(spec, inputs) };
    };

    it(`${name} is as before`, () => {
      const { spec, plan } = compile();
      const { seccomp, ...linux } = spec.linux;
      expectGolden(name, {
        spec: { ...spec, linux: { ...linux, seccomp: seccomp && `${seccomp.syscalls.length} rules` } },
        plan: formatPlan(plan).trimEnd().split('\n'),
      });
    });

    it(`${name} survives its own JSON`, () => {
      const { spec } = compile();
      const again = parseSpec(formatSpec(spec));
      expect(formatSpec(again)).to.equal(formatSpec(spec));
    });

    it(`${name} compiles to the same twice`, () => {
      expect(compile()).to.deep.equal(compile());
    });
  }

  it('execs are as before', () => {
    const spec = compileSpec({}, FACTS, ROOT_V2, PATHS);
    const facts = { id: ID, command: ['id', '-u'], host: ROOT_V2, passwd: FACTS.passwd, group: FACTS.group };
    const exec = (options: Parameters<typeof compileExecPlan>[1], seccomp = true) =>
      formatPlan(
        compileExecPlan(spec, options, { ...facts, ...(seccomp ? { seccomp: FILTER } : {}) } as never),
      )
        .trimEnd()
        .split('\n');
    expectGolden('exec', {
      plain: exec({}),
      user: exec({ user: 'alice', env: { LANG: 'C', NEW: '1' }, workdir: '/tmp/../var' }),
      tty: exec({ tty: true }),
      privileged: exec({ privileged: true }, false),
    });
  });

  it('workers are as before', () => {
    expectGolden('worker', {
      root: formatPlan(workerPlan(ROOT_V1.rootless)).trimEnd().split('\n'),
      rootless: formatPlan(workerPlan(ROOTLESS.rootless)).trimEnd().split('\n'),
      single: formatPlan(workerPlan(SINGLE_ID.rootless)).trimEnd().split('\n'),
    });
  });
});
