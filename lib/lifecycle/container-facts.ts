import { readFileSync, statSync } from 'node:fs';
import { VainaError } from '../errors.js';
import type { ImageRuntimeConfig } from '../oci/types.js';
import type { ContainerFacts } from '../spec/facts.js';
import type { ContainerOptions } from '../spec/options.js';
import type { Context } from './context.js';
import { devicesAt, hostDevices } from './devices.js';

/** No engine reads more of a passwd or group file of an image (CVE-2026-47262 is one without a limit). */
const USER_FILE_LIMIT = 1024 * 1024;

/** What the root file system of a container is made of. */
export interface RootSource {
  /** Layers, or the plain root, top first. */
  trees: readonly string[];
  imageId?: string;
  image?: ImageRuntimeConfig;
}

/** Looks up all that the options name: devices, bind sources, users, a seccomp profile. Changes nothing. */
export function containerFacts(
  context: Context,
  identity: { id: string; name: string },
  source: RootSource,
  options: ContainerOptions,
): ContainerFacts {
  const users = userFiles(context, source);
  const profile = options.securityOpt?.map((entry) => /^seccomp[=:](.*)$/.exec(entry)?.[1]).find(Boolean);
  return {
    ...identity,
    ...(source.image ? { image: source.image } : {}),
    ...users,
    devices: Object.fromEntries(
      (options.devices ?? []).map((entry) => {
        const path = entry.split(':')[0] ?? '';
        return [path, devicesAt(path)];
      }),
    ),
    hostDevices: options.privileged ? hostDevices() : [],
    sources: Object.fromEntries(
      (options.volumes ?? []).map((entry) => {
        const path = entry.split(':')[0] ?? '';
        return [path, kindOf(path)];
      }),
    ),
    ...(profile !== undefined && profile !== 'unconfined' ? { seccompProfile: readProfile(profile) } : {}),
  };
}

function kindOf(path: string): 'file' | 'directory' | 'other' | 'missing' {
  try {
    const stat = statSync(path);
    return stat.isDirectory() ? 'directory' : stat.isFile() ? 'file' : 'other';
  } catch {
    return 'missing';
  }
}

function readProfile(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new VainaError('ERR_NO_SUCH_PATH', `cannot read the seccomp profile ${path}`, {
      path,
      cause: error,
    });
  }
}

/** The texts of a container's passwd and group files. */
export interface UserFiles {
  passwd?: string;
  group?: string;
}

/** The passwd and group files of an image, as the store read them when it came, or of a plain root file system. */
export function userFiles(context: Context, source: RootSource): UserFiles {
  const { imageId, trees } = source;
  if (imageId === undefined) return userFilesIn(context, trees[0] ?? '/', {});
  let files = context.users.get(imageId);
  if (!files) context.users.set(imageId, (files = context.store.images.userFiles(imageId)));
  return files;
}

/** The passwd and group files of a tree that lies over others, whose files are `below`. */
export function userFilesIn(context: Context, tree: string, below: UserFiles): UserFiles {
  const passwd = readUserFile(context, tree, 'etc/passwd') ?? below.passwd;
  const group = readUserFile(context, tree, 'etc/group') ?? below.group;
  return { ...(passwd === undefined ? {} : { passwd }), ...(group === undefined ? {} : { group }) };
}

function readUserFile(context: Context, tree: string, path: string): string | undefined {
  try {
    return context.native.readFileIn(tree, path, USER_FILE_LIMIT)?.toString('utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // No regular file: a whiteout, or something an image has no business to put there. Either way it hides the rest.
    if (code === 'EINVAL' || code === 'ELOOP' || code === 'ENXIO') return '';
    if (code === 'EFBIG') {
      const why = `${path} of the container is larger than ${USER_FILE_LIMIT} bytes`;
      throw new VainaError('ERR_INVALID_IMAGE', why, { path });
    }
    throw new VainaError('ERR_IO', `cannot read ${path} of the container`, { path, cause: error });
  }
}
