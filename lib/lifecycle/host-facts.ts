import { existsSync, readFileSync } from 'node:fs';
import { release, userInfo } from 'node:os';
import type { HostFacts } from '../spec/facts.js';
import { cgroupFacts } from './cgroups.js';
import { rootlessMaps } from './subids.js';

/** Looks at the host once, for the pure compilers. Changes nothing. */
export function hostFacts(): HostFacts {
  const user = userInfo();
  const rootless = user.uid !== 0;
  const status = readFileSync('/proc/self/status', 'utf8');
  const [major, minor] = release().split('.');
  const cgroup = cgroupFacts(rootless, user.uid);
  return {
    uid: user.uid,
    gid: user.gid,
    ...(rootless ? { rootless: rootlessMaps(user) } : {}),
    cgroup,
    architecture: process.arch,
    kernel: [Number(major), Number.parseInt(minor ?? '0', 10)],
    lastCapability: Number(readFileSync('/proc/sys/kernel/cap_last_cap', 'utf8')),
    capabilities: BigInt(`0x${/^CapEff:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? '0'}`),
    rlimits: rlimits(),
    kcore: existsSync('/proc/kcore'),
    onlineCpus: readFileSync('/sys/devices/system/cpu/online', 'utf8').trim(),
    swapAccounting: swapAccounting(cgroup),
    umask: Number.parseInt(/^Umask:\s*(\d+)/m.exec(status)?.[1] ?? '22', 8),
  };
}

const LIMITS: Readonly<Record<string, string>> = {
  'Max cpu time': 'RLIMIT_CPU',
  'Max file size': 'RLIMIT_FSIZE',
  'Max data size': 'RLIMIT_DATA',
  'Max stack size': 'RLIMIT_STACK',
  'Max core file size': 'RLIMIT_CORE',
  'Max resident set': 'RLIMIT_RSS',
  'Max processes': 'RLIMIT_NPROC',
  'Max open files': 'RLIMIT_NOFILE',
  'Max locked memory': 'RLIMIT_MEMLOCK',
  'Max address space': 'RLIMIT_AS',
  'Max file locks': 'RLIMIT_LOCKS',
  'Max pending signals': 'RLIMIT_SIGPENDING',
  'Max msgqueue size': 'RLIMIT_MSGQUEUE',
  'Max nice priority': 'RLIMIT_NICE',
  'Max realtime priority': 'RLIMIT_RTPRIO',
  'Max realtime timeout': 'RLIMIT_RTTIME',
};
const INFINITY = 0xffff_ffff_ffff_ffffn;

/**
 * Node raises its own soft RLIMIT_NOFILE to the hard one at start, so what is read here is what Node has, not what the
 * user's shell had; the compilers set the container's limits themselves and never inherit these.
 */
function rlimits(): HostFacts['rlimits'] {
  const found: Record<string, { soft: bigint; hard: bigint }> = {};
  for (const line of readFileSync('/proc/self/limits', 'utf8').split('\n')) {
    const name = LIMITS[line.slice(0, 26).trim()];
    const [soft, hard] = line.slice(26).trim().split(/\s+/);
    if (name === undefined || soft === undefined || hard === undefined) continue;
    const number = (text: string): bigint => (text === 'unlimited' ? INFINITY : BigInt(text));
    found[name] = { soft: number(soft), hard: number(hard) };
  }
  return found;
}

function swapAccounting(cgroup: HostFacts['cgroup']): boolean {
  if (cgroup.version === 0) return false;
  const file =
    cgroup.version === 1 ? `${cgroup.parents['memory'] ?? ''}/../memory.memsw.limit_in_bytes` : '/proc/swaps';
  try {
    readFileSync(file);
    return true;
  } catch {
    return false;
  }
}
