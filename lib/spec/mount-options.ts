import { invalid } from './invalid.js';

/** Bits of mount_setattr(2) and fsmount(2). */
export const MOUNT_ATTR = {
  RDONLY: 0x1,
  NOSUID: 0x2,
  NODEV: 0x4,
  NOEXEC: 0x8,
  NOATIME: 0x10,
  STRICTATIME: 0x20,
  NODIRATIME: 0x80,
  NOSYMFOLLOW: 0x20_0000,
} as const;

/** Flags of the `bind` step. */
export const BIND = { RECURSIVE: 1, SKIP_MISSING: 2, RECURSIVE_ATTRIBUTES: 4 } as const;

const SET: Readonly<Record<string, number>> = {
  ro: MOUNT_ATTR.RDONLY,
  nosuid: MOUNT_ATTR.NOSUID,
  nodev: MOUNT_ATTR.NODEV,
  noexec: MOUNT_ATTR.NOEXEC,
  noatime: MOUNT_ATTR.NOATIME,
  strictatime: MOUNT_ATTR.STRICTATIME,
  nodiratime: MOUNT_ATTR.NODIRATIME,
  nosymfollow: MOUNT_ATTR.NOSYMFOLLOW,
};
const CLEAR: Readonly<Record<string, number>> = {
  rw: MOUNT_ATTR.RDONLY,
  suid: MOUNT_ATTR.NOSUID,
  dev: MOUNT_ATTR.NODEV,
  exec: MOUNT_ATTR.NOEXEC,
  atime: MOUNT_ATTR.NOATIME,
  relatime: MOUNT_ATTR.NOATIME | MOUNT_ATTR.STRICTATIME,
  diratime: MOUNT_ATTR.NODIRATIME,
  symfollow: MOUNT_ATTR.NOSYMFOLLOW,
};
/** Propagation of a mount (mount_namespaces(7)). */
export const PROPAGATION = [
  'private',
  'rprivate',
  'slave',
  'rslave',
  'shared',
  'rshared',
  'unbindable',
  'runbindable',
];

/** What the options of a mount in a runtime spec come to. */
export interface MountOptions {
  attributes: number;
  /** bind or rbind was among them. */
  bind: boolean;
  recursive: boolean;
  /** An attribute for all mounts below (`rro` …) was among them. */
  recursiveAttributes: boolean;
  propagation: string;
  /** What is the file system's own. */
  data: string[];
}

/** Sorts the options of a mount of a runtime spec (config.md, "Linux mount options"). */
export function parseMountOptions(options: readonly string[] = []): MountOptions {
  const result: MountOptions = {
    attributes: 0,
    bind: false,
    recursive: false,
    recursiveAttributes: false,
    propagation: '',
    data: [],
  };
  for (const option of options) {
    if (PROPAGATION.includes(option)) result.propagation = option;
    else if (option === 'bind') result.bind = true;
    else if (option === 'rbind') result.bind = result.recursive = true;
    else if (!attribute(option, result) && option !== 'defaults') result.data.push(option);
  }
  return result;
}

function attribute(option: string, result: MountOptions): boolean {
  const recursive = !has(option) && option.startsWith('r') && has(option.slice(1));
  const name = recursive ? option.slice(1) : option;
  if (!has(name)) return false;
  if (recursive) result.recursiveAttributes = true;
  result.attributes = (result.attributes | (SET[name] ?? 0)) & ~(CLEAR[name] ?? 0);
  return true;
}

function has(name: string): boolean {
  return Object.hasOwn(SET, name) || Object.hasOwn(CLEAR, name);
}

/** Pairs of which only one may be given. */
const EXCLUSIVE = [
  ['ro', 'rw'],
  ['exec', 'noexec'],
  ['suid', 'nosuid'],
  ['dev', 'nodev'],
  ['bind', 'rbind'],
  PROPAGATION,
  ['z', 'Z'],
];

/** Refuses two options of which only one can be meant, and one given twice. */
export function checkExclusive(option: string, text: string, options: readonly string[]): void {
  for (const group of EXCLUSIVE) {
    const given = options.filter((name) => group.includes(name));
    if (given.length > 1) {
      throw invalid(
        option,
        `${option} entry ${JSON.stringify(text)} has more than one of ${given.join(', ')}`,
      );
    }
  }
}
