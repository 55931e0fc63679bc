import { parseCpuset } from './cpuset.js';
import { matchesGlob } from '../util/glob.js';
import type { SecurityOptions } from './security-opt.js';

/** What no container has any business to read: the union of what Docker and podman mask, or masked. */
const MASKED = [
  '/proc/acpi',
  '/proc/asound',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/sys/dev/block',
  '/sys/devices/virtual/powercap',
  '/sys/firmware',
  '/sys/fs/selinux',
];

/** What a container may read but never write. */
const READONLY = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

/** A processor has a counter of thermal events, whose timing tells of other containers' work. */
const MAX_PROCESSORS = 4096;

/** Masked and read-only paths of a container. `privileged` leaves only what `mask=` names. */
export function compileMasks(
  security: SecurityOptions,
  privileged: boolean,
  onlineCpus: string,
): { maskedPaths: string[]; readonlyPaths: string[] } {
  if (privileged) return { maskedPaths: [...security.mask], readonlyPaths: [] };
  const keep = (path: string): boolean => !isUnmasked(path, security.unmask);
  const masked = [...MASKED, ...thermalPaths(onlineCpus)].filter(keep);
  return { maskedPaths: [...new Set([...masked, ...security.mask])], readonlyPaths: READONLY.filter(keep) };
}

/** Whether `unmask=` names the path, by `ALL`, itself or a pattern. */
export function isUnmasked(path: string, unmask: readonly string[]): boolean {
  return unmask.some((pattern) => pattern === 'ALL' || matchesGlob(pattern, path));
}

function thermalPaths(onlineCpus: string): string[] {
  const paths: string[] = [];
  for (const [first, last] of parseCpuset(onlineCpus) ?? []) {
    for (let cpu = first; cpu <= Math.min(last, MAX_PROCESSORS); cpu++) {
      paths.push(`/sys/devices/system/cpu/cpu${cpu}/thermal_throttle`);
    }
  }
  return paths;
}
