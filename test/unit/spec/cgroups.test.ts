import { expect } from 'chai';
import { compileCgroupSteps, cpuWeight, v1Limits, v2Limits } from '../../../lib/spec/cgroup-plan.js';
import type { HostFacts } from '../../../lib/spec/facts.js';
import type { ContainerOptions } from '../../../lib/spec/options.js';
import { compileResources, requireControllers } from '../../../lib/spec/resources.js';
import { ID, ROOT_V1, ROOT_V2, ROOTLESS, SINGLE_ID } from './fixtures.js';
import { thrown } from './thrown.js';

const MIB = 1024 ** 2;

describe('limits', () => {
  const v2 = (options: ContainerOptions, host: HostFacts = ROOT_V2) =>
    Object.fromEntries(v2Limits(compileResources(options, host, [])));
  const v1 = (options: ContainerOptions, host: HostFacts = ROOT_V1) =>
    v1Limits(compileResources({ privileged: true, ...options }, host, [])).map(([, file, value]) => [
      file,
      value,
    ]);

  it('of nothing are 2048 processes', () => {
    expect(v2({})).to.deep.equal({ 'pids.max': '2048' });
    expect(v1({})).to.deep.equal([['pids.max', '2048']]);
  });

  it('of memory come with as much swap again', () => {
    expect(v2({ memory: '512m' })).to.include({
      'memory.max': `${512 * MIB}`,
      'memory.swap.max': `${512 * MIB}`,
    });
    expect(v1({ memory: '512m' }).slice(0, 2)).to.deep.equal([
      ['memory.limit_in_bytes', `${512 * MIB}`],
      ['memory.memsw.limit_in_bytes', `${1024 * MIB}`],
    ]);
  });

  it('of memory and swap count both together, cgroup v2 swap alone', () => {
    expect(v2({ memory: '1g', memorySwap: '1g' })).to.include({ 'memory.swap.max': '0' });
    expect(v2({ memory: '1g', memorySwap: '1536m' })).to.include({ 'memory.swap.max': `${512 * MIB}` });
    expect(v2({ memory: '1g', memorySwap: -1 })).to.include({ 'memory.swap.max': 'max' });
    expect(v1({ memory: '1g', memorySwap: '-1' })).to.deep.include(['memory.memsw.limit_in_bytes', '-1']);
  });

  it('of swap need a host that accounts for it', () => {
    const host = { ...ROOT_V2, swapAccounting: false };
    expect(v2({ memory: '1g' }, host)).to.not.have.property('memory.swap.max');
    expect(v2({ memory: '1g', memorySwap: -1 }, host)).to.not.have.property('memory.swap.max');
    thrown('ERR_HOST_UNSUPPORTED', () => v2({ memory: '1g', memorySwap: '2g' }, host));
  });

  it('of memory as a reservation', () => {
    expect(v2({ memoryReservation: '1m' })).to.deep.equal({ 'memory.low': `${MIB}`, 'pids.max': '2048' });
    expect(v1({ memoryReservation: '1m' })).to.deep.include(['memory.soft_limit_in_bytes', `${MIB}`]);
  });

  it('of zero are none', () => {
    expect(v2({ memory: 0, memorySwap: 0, memoryReservation: '0', cpus: 0, pidsLimit: 0 })).to.deep.equal({
      'pids.max': 'max',
    });
    expect(v2({ pidsLimit: -1 })).to.deep.equal({ 'pids.max': 'max' });
  });

  it('of processor time', () => {
    expect(v2({ cpus: 0.5 })).to.include({ 'cpu.max': '50000 100000' });
    expect(v2({ cpus: 1.005 })).to.include({ 'cpu.max': '100500 100000' });
    expect(v1({ cpus: 2, cpuShares: 512 }).slice(0, 3)).to.deep.equal([
      ['cpu.shares', '512'],
      ['cpu.cfs_period_us', '100000'],
      ['cpu.cfs_quota_us', '200000'],
    ]);
  });

  // The ends, the default, and what the curve of the OCI runtimes makes of some between.
  const weights: [number, number][] = [
    [2, 1],
    [3, 2],
    [512, 59],
    [1024, 100],
    [2048, 174],
    [10240, 639],
    [262144, 10000],
  ];
  for (const [shares, weight] of weights) {
    it(`of ${shares} shares are a weight of ${weight}`, () => {
      expect(cpuWeight(shares)).to.equal(weight);
      expect(v2({ cpuShares: shares })).to.include({ 'cpu.weight': String(weight) });
    });
  }

  it('of processors, which have to be online', () => {
    expect(v2({ cpuset: '1,0' })).to.include({ 'cpuset.cpus': '0-1' });
    expect(v1({ cpuset: '1' })).to.deep.include(['cpuset.cpus', '1']);
    for (const cpuset of ['2', '0-2', '0-4294967295', '0-9999999999', 'a', '', '1-0', ',', '0,']) {
      const start = performance.now();
      thrown('ERR_INVALID_OPTION', () => v2({ cpuset }));
      expect(performance.now() - start).to.be.below(10);
    }
  });

  const limited: ContainerOptions[] = [
    { memory: '1g' },
    { memoryReservation: '1g' },
    { cpus: 1 },
    { cpuShares: 3 },
    { cpuset: '0' },
    { pidsLimit: 5 },
  ];
  for (const options of limited) {
    it(`${JSON.stringify(options)} needs its controller`, () => {
      const error = thrown('ERR_CGROUP_NOT_DELEGATED', () => compileResources(options, SINGLE_ID, []));
      expect(error.hint).to.equal('use cgroup v2');
      expect(error.message).to.include(Object.keys(options)[0]);
      const some: HostFacts = {
        ...ROOTLESS,
        cgroup: { version: 2, parent: '/x', controllers: [], enable: [] },
      };
      const partly = thrown('ERR_CGROUP_NOT_DELEGATED', () => compileResources(options, some, []));
      expect(partly.hint).to.include('Delegate=');
      const bare: HostFacts = {
        ...ROOT_V2,
        cgroup: { version: 2, parent: '/x', controllers: [], enable: [] },
      };
      thrown('ERR_HOST_UNSUPPORTED', () => compileResources(options, bare, []));
    });
  }

  it('are asked for again where a container is started', () => {
    for (const options of limited) {
      const resources = compileResources(options, ROOT_V2, []);
      requireControllers(resources, ROOT_V2);
      thrown('ERR_CGROUP_NOT_DELEGATED', () => requireControllers(resources, SINGLE_ID));
    }
    requireControllers(compileResources({}, ROOT_V2, []), SINGLE_ID);
  });

  it('by default are silently none where there is no cgroup', () => {
    expect(compileResources({}, SINGLE_ID, [])).to.deep.equal({});
    expect(compileResources({ pidsLimit: 0, memory: 0 }, SINGLE_ID, [])).to.deep.equal({});
  });
});

describe('cgroup steps', () => {
  const names = (options: ContainerOptions, host: HostFacts) =>
    compileCgroupSteps(ID, compileResources(options, host, []), host.cgroup).host.map(([name, ...args]) =>
      `${name} ${String(args[0]).replace(ID, 'ID')} ${typeof args[1] === 'string' ? args[1] : ''}`.trim(),
    );

  it('of v2 enable controllers from the top, limit, filter, enter', () => {
    expect(names({ memory: '1m' }, ROOT_V2)).to.deep.equal([
      'cgroup-dir /sys/fs/cgroup/vaina',
      'cgroup-write /sys/fs/cgroup/cgroup.subtree_control +cpu +cpuset +memory +pids',
      'cgroup-write /sys/fs/cgroup/vaina/cgroup.subtree_control +cpu +cpuset +memory +pids',
      'cgroup-dir /sys/fs/cgroup/vaina/ID',
      'cgroup-write /sys/fs/cgroup/vaina/ID/memory.swap.max 1048576',
      'cgroup-write /sys/fs/cgroup/vaina/ID/memory.max 1048576',
      'cgroup-write /sys/fs/cgroup/vaina/ID/pids.max 2048',
      'cgroup-device-filter /sys/fs/cgroup/vaina/ID',
      'cgroup-enter /sys/fs/cgroup/vaina/ID',
    ]);
  });

  it('of a container that is started where there are fewer controllers leave the default out', () => {
    const cgroup = { version: 2, parent: '/sys/fs/cgroup/x', controllers: [], enable: [] } as const;
    expect(compileCgroupSteps(ID, compileResources({}, ROOTLESS, []), cgroup).host).to.deep.equal([
      ['cgroup-dir', `/sys/fs/cgroup/x/${ID}`],
      ['cgroup-enter', `/sys/fs/cgroup/x/${ID}`],
    ]);
  });

  it('of an ordinary user have no device filter', () => {
    expect(names({}, ROOTLESS).map((step) => step.split(' ')[0])).to.deep.equal([
      'cgroup-dir',
      'cgroup-write',
      'cgroup-enter',
    ]);
  });

  it('of a privileged container have no device rules', () => {
    expect(names({ privileged: true }, ROOT_V2).join('\n')).to.not.include('device-filter');
    expect(names({ privileged: true }, ROOT_V1).join('\n')).to.not.match(/devices\.(deny|allow)/);
  });

  it('of v1 fill a cpuset from above before anything enters it', () => {
    const steps = names({ cpuset: '0' }, ROOT_V1).filter((step) => step.includes('cpuset'));
    expect(steps).to.deep.equal([
      'cgroup-dir /sys/fs/cgroup/cpuset/vaina/ID',
      'cgroup-inherit /sys/fs/cgroup/cpuset/vaina cpuset.cpus',
      'cgroup-inherit /sys/fs/cgroup/cpuset/vaina cpuset.mems',
      'cgroup-inherit /sys/fs/cgroup/cpuset/vaina/ID cpuset.cpus',
      'cgroup-inherit /sys/fs/cgroup/cpuset/vaina/ID cpuset.mems',
      'cgroup-write /sys/fs/cgroup/cpuset/vaina/ID/cpuset.cpus 0',
      'cgroup-enter /sys/fs/cgroup/cpuset/vaina/ID',
    ]);
  });

  it('of controllers that are mounted together share a directory', () => {
    const host: HostFacts = {
      ...ROOT_V1,
      cgroup: {
        version: 1,
        parents: { cpu: '/sys/fs/cgroup/cpu,cpuacct/v', cpuacct: '/sys/fs/cgroup/cpu,cpuacct/v' },
        controllers: ['cpu', 'cpuacct'],
      },
    };
    expect(names({ cpus: 1, privileged: true }, host)).to.deep.equal([
      'cgroup-dir /sys/fs/cgroup/cpu,cpuacct/v/ID',
      'cgroup-write /sys/fs/cgroup/cpu,cpuacct/v/ID/cpu.cfs_period_us 100000',
      'cgroup-write /sys/fs/cgroup/cpu,cpuacct/v/ID/cpu.cfs_quota_us 100000',
      'cgroup-enter /sys/fs/cgroup/cpu,cpuacct/v/ID',
    ]);
  });

  it('take no id that is a path', () => {
    for (const id of ['', '.', '..', 'a/b', '../x', 'a\0', 'a'.repeat(200), '\u202ea']) {
      thrown('ERR_INTERNAL', () => compileCgroupSteps(id, {}, ROOT_V2.cgroup));
    }
  });

  it('are removed at the end, all of them', () => {
    const { host, after } = compileCgroupSteps(ID, {}, ROOT_V1.cgroup);
    const made = host.filter(([name]) => name === 'cgroup-dir').map((step) => step[1]);
    expect(after.map((step) => step[1])).to.deep.equal(made);
  });
});
