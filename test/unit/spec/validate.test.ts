import { expect } from 'chai';
import fc from 'fast-check';
import { type ErrorCode, VainaError } from '../../../lib/errors.js';
import { parseRootfs, validateContainerOptions, validateExecOptions } from '../../../lib/spec/validate.js';
import { thrown } from './thrown.js';

describe('validateContainerOptions', () => {
  it('returns what is there, and nothing that is undefined', () => {
    expect(validateContainerOptions({ tty: true, name: undefined })).to.deep.equal({ tty: true });
    expect(validateContainerOptions(undefined)).to.deep.equal({});
  });

  const accepted: object[] = [
    { command: ['a', ''], entrypoint: 'sh' },
    { entrypoint: [] },
    { entrypoint: '' },
    { env: { A: 'b', B: undefined, C: 'two\nlines' } },
    { user: 'alice:staff', groupAdd: ['wheel', '5'], hostname: 'a-b.c_d', name: 'a.b-c_d' },
    { memory: 1, memorySwap: '1k' },
    { memory: '1g', memorySwap: -1 },
    { memorySwap: -1 },
    { pidsLimit: -1, cpuset: '0-3,7', cpus: 0.01, cpuShares: 2 },
    { ulimits: ['nofile=1:2', 'core=-1'] },
    { ulimits: ['host'] },
    { privileged: true, capDrop: ['chown'] },
    { securityOpt: ['no-new-privileges', 'seccomp=unconfined', 'label=disable', 'unmask=ALL'] },
    { readOnly: true, readOnlyTmpfs: false },
    { volumes: ['/a:/b', '/a:/c:ro,z,rslave'], tmpfs: ['/d', '/e:size=50%,mode=1777'] },
    { devices: ['/dev/fuse', '/dev/a:/dev/b:rw', '/dev/c:r'] },
    { sysctls: { 'net.ipv4.ip_forward': '1', 'net/ipv4/conf/eth0.1/rp_filter': '0' } },
    { stopSignal: 'SIGRTMIN+3', stopTimeout: 0.5 },
    { stopSignal: 9, oomScoreAdj: -1000, umask: '77', shmSize: '1m' },
    { rootfs: '/srv:O' },
    { labels: { 'a.b': '' }, annotations: { c: 'd' } },
    { user: '' },
  ];
  for (const options of accepted) {
    it(`accepts ${JSON.stringify(options)}`, () => {
      expect(validateContainerOptions(options)).to.deep.equal(options);
    });
  }

  const refused: [unknown, ErrorCode, RegExp][] = [
    [null, 'ERR_INVALID_OPTION', /object/],
    ['x', 'ERR_INVALID_OPTION', /object/],
    [[], 'ERR_INVALID_OPTION', /object/],
    [{ memroy: 1 }, 'ERR_INVALID_OPTION', /unknown option "memroy"/],
    [{ constructor: 1 }, 'ERR_INVALID_OPTION', /unknown option "constructor"/],
    [{ tty: 1 }, 'ERR_INVALID_OPTION', /option tty must be true or false/],
    [{ command: 'ls' }, 'ERR_INVALID_OPTION', /option command must be a list/],
    [{ command: ['a', 1] }, 'ERR_INVALID_OPTION', /command\[1\] must be a string/],
    [{ command: ['a\0'] }, 'ERR_INVALID_OPTION', /NUL/],
    [{ entrypoint: 3 }, 'ERR_INVALID_OPTION', /entrypoint/],
    [{ env: ['A=b'] }, 'ERR_INVALID_OPTION', /env must be an object/],
    [{ env: { 'A=B': 'c' } }, 'ERR_INVALID_OPTION', /=/],
    [{ env: { '': 'c' } }, 'ERR_INVALID_OPTION', /empty/],
    [{ env: { A: 'b\0' } }, 'ERR_INVALID_OPTION', /NUL/],
    [{ env: { A: 1 } }, 'ERR_INVALID_OPTION', /env.A must be a string/],
    [{ workdir: 'x' }, 'ERR_INVALID_OPTION', /absolute/],
    [{ user: 'a\nb' }, 'ERR_INVALID_OPTION', /control/],
    [{ user: '1:' }, 'ERR_INVALID_OPTION', /empty half/],
    [{ hostname: 'a\nb' }, 'ERR_INVALID_OPTION', /control/],
    [{ hostname: '-a' }, 'ERR_INVALID_OPTION', /host name/],
    [{ hostname: 'a'.repeat(65) }, 'ERR_INVALID_OPTION', /64/],
    [{ name: '' }, 'ERR_INVALID_NAME', /name/],
    [{ name: '-x' }, 'ERR_INVALID_NAME', /name/],
    [{ name: 'a/b' }, 'ERR_INVALID_NAME', /name/],
    [{ name: '..' }, 'ERR_INVALID_NAME', /name/],
    [{ name: 'a\n' }, 'ERR_INVALID_NAME', /name/],
    [{ name: '\u202ea' }, 'ERR_INVALID_NAME', /name/],
    [{ name: 'a'.repeat(4096) }, 'ERR_INVALID_NAME', /name/],
    [{ memory: -1 }, 'ERR_INVALID_OPTION', /no size/],
    [{ memory: 'much' }, 'ERR_INVALID_OPTION', /no size/],
    [{ memory: 1.5 }, 'ERR_INVALID_OPTION', /no size/],
    [{ memory: Infinity }, 'ERR_INVALID_OPTION', /no size/],
    [{ memorySwap: '1g' }, 'ERR_INVALID_OPTION', /needs memory/],
    [{ memory: '2g', memorySwap: '1g' }, 'ERR_INVALID_OPTION', /below memory/],
    [{ memory: '1g', memoryReservation: '2g' }, 'ERR_INVALID_OPTION', /above memory/],
    [{ cpus: -1 }, 'ERR_INVALID_OPTION', /cpus/],
    [{ cpus: NaN }, 'ERR_INVALID_OPTION', /cpus/],
    [{ cpus: 0.001 }, 'ERR_INVALID_OPTION', /0.01/],
    [{ cpuShares: 1 }, 'ERR_INVALID_OPTION', /2 to 262144/],
    [{ cpuset: '0-' }, 'ERR_INVALID_OPTION', /list/],
    [{ pidsLimit: -2 }, 'ERR_INVALID_OPTION', /pidsLimit/],
    [{ pidsLimit: 1.5 }, 'ERR_INVALID_OPTION', /whole/],
    [{ ulimits: ['nope=1'] }, 'ERR_INVALID_OPTION', /nope/],
    [{ ulimits: ['nofile=2:1'] }, 'ERR_INVALID_OPTION', /soft limit above/],
    [{ ulimits: ['nofile=-1:1'] }, 'ERR_INVALID_OPTION', /soft limit above/],
    [{ ulimits: ['nofile=18446744073709551616'] }, 'ERR_INVALID_OPTION', /above/],
    [{ ulimits: ['nofile=1', 'nofile=2'] }, 'ERR_INVALID_OPTION', /two limits/],
    [{ ulimits: ['nofile=1', 'NOFILE=2'] }, 'ERR_INVALID_OPTION', /two limits/],
    [{ shmSize: '1m', tmpfs: ['/dev/shm'] }, 'ERR_INVALID_OPTION', /shmSize/],
    [{ securityOpt: ['seccomp=/a', 'seccomp=unconfined'] }, 'ERR_INVALID_OPTION', /more than one/],
    [{ ulimits: ['host', 'core=1'] }, 'ERR_INVALID_OPTION', /host/],
    [{ capAdd: ['NOPE'] }, 'ERR_INVALID_OPTION', /unknown capability/],
    [{ capAdd: ['CHOWN'], capDrop: ['cap_chown'] }, 'ERR_INVALID_OPTION', /both/],
    [{ capAdd: ['ALL'], capDrop: ['all'] }, 'ERR_INVALID_OPTION', /both/],
    [{ privileged: true, capDrop: ['ALL'] }, 'ERR_INVALID_OPTION', /privileged/],
    [{ securityOpt: ['seccomp='] }, 'ERR_INVALID_OPTION', /seccomp/],
    [{ securityOpt: ['nope'] }, 'ERR_INVALID_OPTION', /nope/],
    [{ securityOpt: ['mask=relative'] }, 'ERR_INVALID_OPTION', /absolute/],
    [{ securityOpt: ['no-new-privileges=maybe'] }, 'ERR_INVALID_OPTION', /true nor false/],
    [{ securityOpt: ['label=type:x'] }, 'ERR_UNSUPPORTED', /label/],
    [{ securityOpt: ['apparmor=x'] }, 'ERR_UNSUPPORTED', /apparmor/],
    [{ readOnlyTmpfs: true }, 'ERR_INVALID_OPTION', /readOnly/],
    [{ volumes: ['data:/x'] }, 'ERR_UNSUPPORTED', /named volumes/],
    [{ volumes: ['/x'] }, 'ERR_UNSUPPORTED', /anonymous/],
    [{ volumes: ['./x:/x'] }, 'ERR_INVALID_OPTION', /relative/],
    [{ volumes: [':/x'] }, 'ERR_INVALID_OPTION', /no source/],
    [{ volumes: ['/a:b'] }, 'ERR_INVALID_OPTION', /absolute/],
    [{ volumes: ['/a:/'] }, 'ERR_INVALID_OPTION', /on \//],
    [{ volumes: ['/a:/b/../..'] }, 'ERR_INVALID_OPTION', /on \//],
    [{ volumes: ['/a:/b:ro:x'] }, 'ERR_INVALID_OPTION', /three/],
    [{ volumes: ['/a:/b:rw,ro'] }, 'ERR_INVALID_OPTION', /more than one/],
    [{ volumes: ['/a:/b:bind,rbind'] }, 'ERR_INVALID_OPTION', /more than one/],
    [{ volumes: ['/a:/b:slave,private'] }, 'ERR_INVALID_OPTION', /more than one/],
    [{ volumes: ['/a:/b:nonsense'] }, 'ERR_INVALID_OPTION', /nonsense/],
    [{ volumes: ['/a:/b:nocopy'] }, 'ERR_INVALID_OPTION', /named volumes/],
    [{ volumes: ['/a:/b:'] }, 'ERR_INVALID_OPTION', /unknown/],
    [{ volumes: ['/a:/b:U'] }, 'ERR_UNSUPPORTED', /U/],
    [{ volumes: ['/a:/b:O'] }, 'ERR_UNSUPPORTED', /O/],
    [{ volumes: ['/a:/b:idmap'] }, 'ERR_UNSUPPORTED', /idmap/],
    [{ volumes: ['/a:/b:shared'] }, 'ERR_UNSUPPORTED', /shared/],
    [{ volumes: ['/a:/b', '/c:/b/'] }, 'ERR_INVALID_OPTION', /two mounts/],
    [{ volumes: ['/a:/b'], tmpfs: ['/b'] }, 'ERR_INVALID_OPTION', /two mounts/],
    [{ volumes: ['/a:/proc'] }, 'ERR_INVALID_OPTION', /\/proc/],
    [{ volumes: ['/a:/proc/sys'] }, 'ERR_INVALID_OPTION', /\/proc/],
    [{ volumes: ['/a:/x/../proc/self'] }, 'ERR_INVALID_OPTION', /\/proc/],
    [{ tmpfs: ['/a:size=x'] }, 'ERR_INVALID_OPTION', /size=x/],
    [{ tmpfs: ['/a:mode=9'] }, 'ERR_INVALID_OPTION', /mode=9/],
    [{ tmpfs: ['/a:data=/etc'] }, 'ERR_INVALID_OPTION', /data/],
    [{ tmpfs: ['/a:tmpcopyup'] }, 'ERR_UNSUPPORTED', /tmpcopyup/],
    [{ tmpfs: ['a'] }, 'ERR_INVALID_OPTION', /absolute/],
    [{ devices: ['fuse'] }, 'ERR_INVALID_OPTION', /absolute/],
    [{ devices: ['/dev/a:/dev/b:rwx'] }, 'ERR_INVALID_OPTION', /form/],
    [{ devices: ['/dev/a:rr'] }, 'ERR_INVALID_OPTION', /form/],
    [{ devices: ['/dev/a:'] }, 'ERR_INVALID_OPTION', /form/],
    [{ devices: ['vendor.com/gpu=all'] }, 'ERR_UNSUPPORTED', /CDI/],
    [{ sysctls: { 'kernel.core_pattern': 'x' } }, 'ERR_INVALID_OPTION', /core_pattern/],
    [{ sysctls: { 'kernel.hostname': 'x' } }, 'ERR_INVALID_OPTION', /hostname/],
    [{ sysctls: { 'net/../kernel/core_pattern': 'x' } }, 'ERR_INVALID_OPTION', /core_pattern/],
    [{ sysctls: { 'net..kernel': 'x' } }, 'ERR_INVALID_OPTION', /net/],
    [{ sysctls: { 'net.ipv4.ip_forward': '1\n2' } }, 'ERR_INVALID_OPTION', /malformed/],
    [{ sysctls: { 'net.ipv4.ip_forward': '1+2' } }, 'ERR_INVALID_OPTION', /malformed/],
    [{ sysctls: { 'net.ipv4.ip_forward': '1' }, network: 'host' }, 'ERR_INVALID_OPTION', /network/],
    [{ network: 'bridge' }, 'ERR_INVALID_OPTION', /"none" or "host"/],
    [{ rootfs: 'x' }, 'ERR_INVALID_OPTION', /absolute/],
    [{ rootfs: '/x:Q' }, 'ERR_INVALID_OPTION', /Q/],
    [{ rootfs: '/x:idmap' }, 'ERR_UNSUPPORTED', /idmap/],
    [{ stopSignal: 'NOPE' }, 'ERR_INVALID_OPTION', /no signal/],
    [{ stopSignal: 99 }, 'ERR_INVALID_OPTION', /no signal/],
    [{ stopTimeout: -1 }, 'ERR_INVALID_OPTION', /stopTimeout/],
    [{ umask: '888' }, 'ERR_INVALID_OPTION', /octal/],
    [{ umask: '1000' }, 'ERR_INVALID_OPTION', /octal/],
    [{ oomScoreAdj: 1001 }, 'ERR_INVALID_OPTION', /1000/],
    [{ logDriver: 'journald' }, 'ERR_INVALID_OPTION', /logDriver/],
    [{ logDriver: 'none', logMaxSize: 1 }, 'ERR_INVALID_OPTION', /logMaxSize/],
    [{ labels: { '': 'x' } }, 'ERR_INVALID_OPTION', /empty/],
    [{ annotations: { a: 1 } }, 'ERR_INVALID_OPTION', /string/],
  ];
  for (const [options, code, message] of refused) {
    it(`refuses ${JSON.stringify(options)?.slice(0, 100)}`, () => {
      expect(thrown(code, () => validateContainerOptions(options)).message).to.match(message);
    });
  }

  it('guesses what was meant', () => {
    const hint = (name: string) =>
      thrown('ERR_INVALID_OPTION', () => validateContainerOptions({ [name]: 1 })).hint;
    expect(hint('memroy')).to.equal('did you mean "memory"?');
    expect(hint('readonly')).to.equal('did you mean "readOnly"?');
    expect(hint('capadd')).to.equal('did you mean "capAdd"?');
    expect(hint('environment')).to.equal(undefined);
    expect(hint('x'.repeat(1_000_000))).to.equal(undefined);
  });

  it('throws nothing but its own errors, whatever it gets', () => {
    const keys = [
      'env',
      'volumes',
      'tmpfs',
      'devices',
      'user',
      'memory',
      'ulimits',
      'sysctls',
      'securityOpt',
      'cpuset',
      'rootfs',
    ];
    const value = fc.oneof(
      fc.anything(),
      fc.string(),
      fc.array(fc.string()),
      fc.dictionary(fc.string(), fc.string()),
    );
    fc.assert(
      fc.property(fc.constantFrom(...keys), value, (key, content) => {
        try {
          validateContainerOptions({ [key]: content });
        } catch (error) {
          if (!VainaError.is(error)) throw error;
        }
      }),
      { numRuns: 3000 },
    );
  });

  it('is done with a megabyte of anything at once', () => {
    for (const piece of ['a', '/', ':', ',', '[', '*', '-', '0', '=', '.', '\\']) {
      const long = piece.repeat(1_000_000);
      const before = performance.now();
      for (const options of [
        { volumes: [`/a:/${long}`] },
        { tmpfs: [`/a:${long}`] },
        { user: long },
        { cpuset: long },
        { ulimits: [long] },
        { sysctls: { [long]: '1' } },
        { devices: [`/dev/${long}`] },
        { securityOpt: [`unmask=/${long}`] },
        { memory: long },
        { name: long },
        { hostname: long },
      ]) {
        try {
          validateContainerOptions(options);
        } catch (error) {
          if (!VainaError.is(error)) throw error;
        }
      }
      expect(performance.now() - before, piece).to.be.below(1500);
    }
  });
});

describe('validateExecOptions', () => {
  it('accepts and refuses', () => {
    expect(validateExecOptions({ user: '1', tty: true, workdir: undefined })).to.deep.equal({
      user: '1',
      tty: true,
    });
    for (const options of [
      { users: '1' },
      { tty: 'yes' },
      { workdir: 'x' },
      { user: '' },
      { env: { A: undefined } },
      7,
    ]) {
      thrown('ERR_INVALID_OPTION', () => validateExecOptions(options));
    }
  });
});

describe('parseRootfs', () => {
  it('knows an overlay', () => {
    expect(parseRootfs('/a')).to.deep.equal({ path: '/a', overlay: false });
    expect(parseRootfs('/a:O')).to.deep.equal({ path: '/a', overlay: true });
  });
});
