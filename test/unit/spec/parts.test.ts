import { expect } from 'chai';
import { compileCommand } from '../../../lib/spec/command.js';
import { parseCpuset } from '../../../lib/spec/cpuset.js';
import { compileDevices, parseDevice } from '../../../lib/spec/devices.js';
import { compileEnvironment, mergeEnvironment } from '../../../lib/spec/environment.js';
import { compileMasks } from '../../../lib/spec/masks.js';
import { parseMountOptions } from '../../../lib/spec/mount-options.js';
import { cleanPath, isBelow, pathDepth } from '../../../lib/spec/paths.js';
import { compileRlimits, INFINITY, parseUlimit } from '../../../lib/spec/rlimits.js';
import { parseSecurityOpt } from '../../../lib/spec/security-opt.js';
import { formatSpec, parseExact } from '../../../lib/spec/spec-json.js';
import { sysctlPath } from '../../../lib/spec/sysctls.js';
import { parseVolume, tmpfsMount, volumeMount } from '../../../lib/spec/volumes.js';
import { FACTS, ROOT_V1, ROOTLESS } from './fixtures.js';
import { thrown } from './thrown.js';

describe('compileCommand', () => {
  const image = { Entrypoint: ['/entry', '-x'], Cmd: ['serve'] };
  const table: [object, object | undefined, string[]][] = [
    [{}, image, ['/entry', '-x', 'serve']],
    [{ command: ['a', 'b'] }, image, ['/entry', '-x', 'a', 'b']],
    [{ command: [] }, image, ['/entry', '-x', 'serve']],
    [{ entrypoint: ['/e'] }, image, ['/e']],
    [{ entrypoint: '/e f' }, image, ['/e f']],
    [{ entrypoint: '/e', command: ['a'] }, image, ['/e', 'a']],
    [{ entrypoint: [], command: ['a'] }, image, ['a']],
    [{ entrypoint: [''], command: ['a'] }, image, ['a']],
    [{ entrypoint: '', command: ['a'] }, image, ['a']],
    [{}, { Cmd: ['sh'] }, ['sh']],
    [{}, { Entrypoint: null, Cmd: ['sh'] }, ['sh']],
    [{ command: ['sh'] }, undefined, ['sh']],
  ];
  for (const [options, config, args] of table) {
    it(`${JSON.stringify(options)} with ${JSON.stringify(config)} runs ${args.join(' ')}`, () => {
      expect(compileCommand(options, config)).to.deep.equal(args);
    });
  }

  it('needs one', () => {
    for (const [options, config] of [
      [{}, undefined],
      [{ entrypoint: '' }, image],
      [{ command: [''] }, undefined],
    ] as const) {
      thrown('ERR_INVALID_OPTION', () => compileCommand(options, config));
    }
    thrown('ERR_INVALID_IMAGE', () => compileCommand({}, { Cmd: 'sh' as never }));
    thrown('ERR_INVALID_IMAGE', () => compileCommand({}, { Cmd: ['a\0b'] }));
  });
});

describe('compileEnvironment', () => {
  const base = { hostname: 'h', home: '/root' };

  it('has defaults, then the image’s, then the options’', () => {
    const environment = compileEnvironment({
      ...base,
      image: ['PATH=/bin', 'A=1', 'B=x=y', 'EMPTY', 'A=2'],
      options: { B: 'z', C: '', HOME: undefined },
    });
    expect(environment).to.deep.equal([
      'PATH=/bin',
      'container=vaina',
      'HOSTNAME=h',
      'TERM=xterm',
      'A=2',
      'B=z',
      'EMPTY=',
      'C=',
    ]);
  });

  it('keeps what the image or the options say of TERM, HOME and HOSTNAME', () => {
    const environment = compileEnvironment({
      ...base,
      image: ['TERM=vt100', 'HOME=/h'],
      options: { HOSTNAME: 'x' },
    });
    expect(environment).to.include.members(['TERM=vt100', 'HOME=/h', 'HOSTNAME=x']);
  });

  it('refuses nameless variables of an image', () => {
    for (const entry of ['=x', '', 'A=b\0c'])
      thrown('ERR_INVALID_IMAGE', () => compileEnvironment({ ...base, image: [entry] }));
  });

  it('is merged for an exec', () => {
    expect(mergeEnvironment(['A=1', 'B=2=3'], { A: '4', C: '5', B: undefined })).to.deep.equal([
      'A=4',
      'C=5',
    ]);
  });
});

describe('rlimits', () => {
  it('are parsed', () => {
    expect(parseUlimit('nofile=1024:2048')).to.deep.equal({
      type: 'RLIMIT_NOFILE',
      soft: 1024,
      hard: 2048,
    });
    expect(parseUlimit('CORE=-1')).to.deep.equal({ type: 'RLIMIT_CORE', soft: INFINITY, hard: INFINITY });
    expect(parseUlimit('core=0:-1')).to.deep.equal({ type: 'RLIMIT_CORE', soft: 0, hard: INFINITY });
  });

  it('have podman’s defaults, cut to what the engine may set', () => {
    const of = (limits: ReturnType<typeof compileRlimits>) =>
      limits.map(({ type, hard }) => `${type} ${hard}`);
    expect(of(compileRlimits(undefined, ROOT_V1))).to.deep.equal([
      'RLIMIT_NOFILE 1048576',
      'RLIMIT_NPROC 1048576',
    ]);
    expect(of(compileRlimits(undefined, ROOTLESS))).to.deep.equal([
      'RLIMIT_NOFILE 20000',
      'RLIMIT_NPROC 8192',
    ]);
    const weak = { ...ROOT_V1, capabilities: ROOT_V1.capabilities & ~(1n << 24n) };
    expect(of(compileRlimits(['nproc=7'], weak))).to.deep.equal(['RLIMIT_NPROC 7', 'RLIMIT_NOFILE 20000']);
    expect(compileRlimits(['host'], ROOTLESS)).to.deep.equal([]);
  });

  it('above the engine’s own are refused, not cut', () => {
    thrown('ERR_PERMISSION', () => compileRlimits(['nofile=30000'], ROOTLESS));
    thrown('ERR_PERMISSION', () => compileRlimits(['nofile=5:-1'], ROOTLESS));
    expect(compileRlimits(['nofile=30000'], ROOT_V1)[0]?.hard).to.equal(30000);
    expect(compileRlimits(['core=0:-1'], ROOTLESS)[0]?.hard).to.equal(INFINITY);
  });
});

describe('paths', () => {
  it('are cleaned by text', () => {
    for (const [path, clean] of [
      ['/', '/'],
      ['//a/./b/../c/', '/a/c'],
      ['/../..', '/'],
      ['a/b', '/a/b'],
    ] as const) {
      expect(cleanPath(path)).to.equal(clean);
    }
    expect([pathDepth('/'), pathDepth('/a'), pathDepth('/a/b')]).to.deep.equal([0, 1, 2]);
    expect([
      isBelow('/a/b', '/a'),
      isBelow('/ab', '/a'),
      isBelow('/a', '/a'),
      isBelow('/a', '/'),
    ]).to.deep.equal([true, false, true, true]);
  });
});

describe('masks', () => {
  const of = (entries: string[], privileged = false) =>
    compileMasks(parseSecurityOpt(entries), privileged, '0-1,3');

  it('are the union of the peers’, for each processor', () => {
    const { maskedPaths, readonlyPaths } = of([]);
    expect(maskedPaths).to.include.members([
      '/proc/kcore',
      '/proc/asound',
      '/proc/interrupts',
      '/sys/fs/selinux',
    ]);
    expect(maskedPaths.filter((path) => path.includes('thermal'))).to.deep.equal(
      [0, 1, 3].map((cpu) => `/sys/devices/system/cpu/cpu${cpu}/thermal_throttle`),
    );
    expect(readonlyPaths).to.deep.equal([
      '/proc/bus',
      '/proc/fs',
      '/proc/irq',
      '/proc/sys',
      '/proc/sysrq-trigger',
    ]);
  });

  it('can be added and taken away', () => {
    expect(of(['mask=/a:/b/../c']).maskedPaths).to.include.members(['/a', '/c', '/proc/kcore']);
    expect(of(['unmask=all'])).to.deep.equal({ maskedPaths: [], readonlyPaths: [] });
    expect(of(['unmask=/proc/*']).maskedPaths.some((path) => path.startsWith('/proc'))).to.equal(false);
    expect(of(['unmask=/proc/sys']).readonlyPaths).to.not.include('/proc/sys');
    expect(of(['mask=/a'], true)).to.deep.equal({ maskedPaths: ['/a'], readonlyPaths: [] });
  });
});

describe('volumes', () => {
  const options = (text: string) => volumeMount(parseVolume(text), FACTS).options;

  it('are recursive and private by default, read-only all the way down', () => {
    expect(options('/srv/data:/d')).to.deep.equal(['rbind', 'rprivate']);
    expect(options('/srv/data:/d:bind')).to.deep.equal(['bind', 'private']);
    expect(options('/srv/data:/d:ro,rslave,Z')).to.deep.equal(['rbind', 'rslave', 'ro', 'rro']);
    expect(options('/srv/data:/d:bind,ro,nodev')).to.deep.equal(['bind', 'private', 'ro', 'nodev']);
  });

  it('need their source', () => {
    expect(thrown('ERR_NO_SUCH_PATH', () => volumeMount(parseVolume('/gone:/d'), FACTS)).path).to.equal(
      '/gone',
    );
  });

  it('may cover what lxcfs covers', () => {
    expect(parseVolume('/srv/file:/proc/meminfo').destination).to.equal('/proc/meminfo');
  });

  it('of memory have safe defaults', () => {
    expect(tmpfsMount('/t').options).to.deep.equal(['nosuid', 'nodev', 'noexec']);
    expect(tmpfsMount('/t:exec,suid,dev,ro,size=1k,mode=0700,uid=5').options).to.deep.equal([
      'ro',
      'size=1024',
      'mode=0700',
      'uid=5',
    ]);
  });
});

describe('parseMountOptions', () => {
  it('tells attributes, bind, propagation and data apart', () => {
    expect(
      parseMountOptions(['rbind', 'rslave', 'ro', 'rro', 'nosuid', 'mode=1', 'newinstance', 'defaults']),
    ).to.deep.equal({
      attributes: 3,
      bind: true,
      recursive: true,
      recursiveAttributes: true,
      propagation: 'rslave',
      data: ['mode=1', 'newinstance'],
    });
    expect(parseMountOptions(['ro', 'rw', 'noexec', 'exec', 'strictatime', 'relatime']).attributes).to.equal(
      0,
    );
    expect(parseMountOptions(undefined).data).to.deep.equal([]);
  });
});

describe('devices', () => {
  const facts = {
    ...FACTS,
    devices: {
      '/dev/d': ['/dev/d/a', '/dev/d/e/b'].map((path, minor) => ({
        path,
        type: 'c' as const,
        major: 9,
        minor,
        fileMode: 0o20660,
        uid: 1,
        gid: 2,
      })),
    },
  };
  const compile = (text: string, rootless = false, privileged = false) =>
    compileDevices(text === '' ? [] : [parseDevice(text)], privileged, facts, rootless);

  it('of a directory keep their places below it', () => {
    const { nodes, rules } = compile('/dev/d:/dev/x:r');
    expect(nodes.map(({ path }) => path)).to.deep.equal(['/dev/x/a', '/dev/x/e/b']);
    expect(nodes[0]?.fileMode).to.equal(0o660);
    expect(rules[1]).to.deep.equal({ allow: true, type: 'c', major: 9, minor: 1, access: 'r' });
  });

  it('are bound where no node can be made', () => {
    const { nodes, rules, binds } = compile('/dev/d:r', true);
    expect([nodes, rules]).to.deep.equal([[], []]);
    expect(binds[0]).to.deep.equal({
      destination: '/dev/d/a',
      type: 'bind',
      source: '/dev/d/a',
      options: ['bind', 'private', 'nosuid', 'noexec', 'ro'],
    });
  });

  it('of a privileged container are the host’s, but for those it has anyhow', () => {
    expect(compile('', false, true).nodes.map(({ path }) => path)).to.deep.equal(['/dev/vda']);
  });

  it('have a place each', () => {
    const requests = ['/dev/d', '/dev/d:/dev/d:r'].map(parseDevice);
    thrown('ERR_INVALID_OPTION', () => compileDevices(requests, false, facts, false));
  });

  it('have to be there', () => {
    thrown('ERR_NO_SUCH_PATH', () => compile('/dev/none'));
  });
});

describe('sysctlPath', () => {
  it('takes either separator', () => {
    expect(sysctlPath('net.ipv4.ip_forward')).to.equal('net/ipv4/ip_forward');
    expect(sysctlPath('net/ipv4/conf/eth0.1/rp_filter')).to.equal('net/ipv4/conf/eth0.1/rp_filter');
    expect(sysctlPath('net.ipv4.conf.eth0/1.rp_filter')).to.equal('net/ipv4/conf/eth0.1/rp_filter');
  });
});

describe('parseCpuset', () => {
  it('merges intervals and never expands them', () => {
    expect(parseCpuset('3,0-1,2')).to.deep.equal([[0, 3]]);
    expect(parseCpuset('0-4294967295,7')).to.deep.equal([[0, 4294967295]]);
    expect(parseCpuset('1-0')).to.equal(undefined);
  });
});

describe('spec JSON', () => {
  it('keeps 64-bit integers exact and everything else as it is', () => {
    const value = {
      a: [0xffff_ffff_ffff_ffffn, 1, -2, 1.5, null, true],
      b: '"@12345678901234567890"',
      'k"': undefined,
      c: '@@',
    };
    const text = formatSpec(value as never);
    expect(text).to.equal(
      '{"a":[18446744073709551615,1,-2,1.5,null,true],"b":"\\"@12345678901234567890\\"","c":"@@"}',
    );
    const again = parseExact(text) as typeof value;
    expect(again.a).to.deep.equal(value.a);
    expect(again.b).to.equal(value.b);
    expect(again.c).to.equal('@@');
  });
});
