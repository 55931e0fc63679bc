import { invalid } from './invalid.js';
import { cleanPath } from './paths.js';

/** The few files below /proc that peers let be covered (as lxcfs does): the rest of it must stay the kernel's. */
const IN_PROC = [
  'cpuinfo',
  'diskstats',
  'meminfo',
  'stat',
  'swaps',
  'uptime',
  'loadavg',
  'slabinfo',
  'net/dev',
  'sys/kernel/ns_last_pid',
  'sys/crypto/fips_enabled',
];

/** A clean absolute path of the container on which something may be mounted. Throws ERR_INVALID_OPTION. */
export function mountTarget(option: string, path: string): string {
  if (!path.startsWith('/')) {
    throw invalid(option, `${option}: ${JSON.stringify(path)} is no absolute path in the container`);
  }
  const clean = cleanPath(path);
  if (clean === '/') throw invalid(option, `${option}: nothing can be mounted on / of the container`);
  const proc = /^\/proc(?:\/(.*))?$/.exec(clean);
  if (proc && !IN_PROC.includes(proc[1] ?? '')) {
    throw invalid(option, `${option}: nothing can be mounted on ${clean} of the container`);
  }
  return clean;
}
