import { accessSync, constants, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { HostFacts, IdMapping } from '../spec/facts.js';

/** Of an id map (user_namespaces(7)). */
const MAX_LINES = 340;

/**
 * The id maps of an ordinary user's namespace: its own id as 0, then the ranges of /etc/subuid and /etc/subgid
 * (subuid(5)) from 1 up. With no range, or without newuidmap(1), the one id alone.
 */
export function rootlessMaps(user: {
  uid: number;
  gid: number;
  username: string;
}): NonNullable<HostFacts['rootless']> {
  const uidHelper = findProgram('newuidmap');
  const gidHelper = findProgram('newgidmap');
  const uidRanges = subordinateRanges('/etc/subuid', user.username, user.uid);
  const gidRanges = subordinateRanges('/etc/subgid', user.username, user.uid);
  if (!uidHelper || !gidHelper || uidRanges.length === 0 || gidRanges.length === 0) {
    return {
      uidMap: [{ containerId: 0, hostId: user.uid, size: 1 }],
      gidMap: [{ containerId: 0, hostId: user.gid, size: 1 }],
    };
  }
  return { uidMap: mapOf(user.uid, uidRanges), gidMap: mapOf(user.gid, gidRanges), uidHelper, gidHelper };
}

function mapOf(own: number, ranges: { start: number; count: number }[]): IdMapping[] {
  const map: IdMapping[] = [{ containerId: 0, hostId: own, size: 1 }];
  let next = 1;
  for (const { start, count } of ranges) {
    // The kernel refuses a map in which an id occurs twice, as the same range under a name and a number does.
    if (map.some(({ hostId, size }) => start < hostId + size && hostId < start + count)) continue;
    if (map.length === MAX_LINES) break;
    map.push({ containerId: next, hostId: start, size: count });
    next += count;
  }
  return map;
}

function subordinateRanges(file: string, name: string, uid: number): { start: number; count: number }[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return [];
  }
  const ranges = [];
  for (const line of text.split('\n')) {
    const [owner, start, count] = line.trim().split(':');
    if (owner !== name && owner !== String(uid)) continue;
    if (!/^\d{1,10}$/.test(start ?? '') || !/^\d{1,10}$/.test(count ?? '') || Number(count) === 0) continue;
    ranges.push({ start: Number(start), count: Number(count) });
  }
  return ranges;
}

/** Looks a program up in PATH and the places where distributions keep set-uid helpers. */
export function findProgram(name: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/bin', '/bin', '/usr/sbin', '/sbin'];
  for (const folder of folders) {
    if (!folder.startsWith('/')) continue;
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      continue;
    }
  }
  return undefined;
}
