import { lstatSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { DeviceFacts } from '../spec/facts.js';

/** The device node at a path of the host, or every one below it when it is a directory. */
export function devicesAt(path: string): DeviceFacts[] {
  let stat;
  try {
    stat = statSync(path);
  } catch {
    return [];
  }
  if (stat.isDirectory()) return readdirSync(path).flatMap((name) => devicesBelow(join(path, name)));
  const facts = factsOf(path, stat);
  return facts ? [facts] : [];
}

/** As {@link devicesAt}, not following links: /dev is full of links to its own nodes, and to terminals. */
function devicesBelow(path: string): DeviceFacts[] {
  let stat;
  try {
    stat = lstatSync(path);
  } catch {
    return [];
  }
  if (stat.isDirectory()) return readdirSync(path).flatMap((name) => devicesBelow(join(path, name)));
  const facts = factsOf(path, stat);
  return facts ? [facts] : [];
}

/** Every device that a privileged container gets: the host's /dev but for what a container has of its own. */
export function hostDevices(): DeviceFacts[] {
  const own = new Set(['pts', 'shm', 'mqueue', 'fd', 'console', 'ptmx', 'log']);
  return readdirSync('/dev')
    .filter((name) => !own.has(name))
    .flatMap((name) => devicesBelow(join('/dev', name)));
}

function factsOf(path: string, stat: ReturnType<typeof lstatSync> & object): DeviceFacts | undefined {
  const type = stat.isCharacterDevice() ? 'c' : stat.isBlockDevice() ? 'b' : undefined;
  if (!type) return undefined;
  const rdev = Number(stat.rdev);
  return {
    path,
    type,
    // The split of makedev(3): the low 8 bits of the minor number stand below the major one, the others above.
    major: (rdev >>> 8) & 0xfff,
    minor: (rdev & 0xff) | ((rdev >>> 12) & 0xfff00),
    fileMode: Number(stat.mode) & 0o7777,
    uid: Number(stat.uid),
    gid: Number(stat.gid),
  };
}
