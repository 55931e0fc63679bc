import { readFileSync, statSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
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
    random: randomBytes(32).toString('hex'),
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

/** The passwd and group files of the container, from the topmost tree that has them. */
export function userFiles(context: Context, source: RootSource): { passwd?: string; group?: string } {
  const known = source.imageId === undefined ? undefined : context.users.get(source.imageId);
  if (known) return known;
  const passwd = topmost(context, source.trees, 'etc/passwd');
  const group = topmost(context, source.trees, 'etc/group');
  const files = { ...(passwd === undefined ? {} : { passwd }), ...(group === undefined ? {} : { group }) };
  if (source.imageId !== undefined) context.users.set(source.imageId, files);
  return files;
}

function topmost(context: Context, trees: readonly string[], path: string): string | undefined {
  for (const tree of trees) {
    try {
      const bytes = context.native.readFileIn(tree, path, USER_FILE_LIMIT);
      if (bytes) return bytes.toString('utf8');
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      // No regular file: a whiteout, or something an image has no business to put there. Either way it hides the rest.
      if (code === 'EINVAL' || code === 'ELOOP' || code === 'ENXIO') return undefined;
      if (code === 'EFBIG') {
        throw new VainaError(
          'ERR_INVALID_IMAGE',
          `${path} of the image is larger than ${USER_FILE_LIMIT} bytes`,
          {
            path,
          },
        );
      }
      throw new VainaError('ERR_IO', `cannot read ${path} of the image`, { path, cause: error });
    }
  }
  return undefined;
}
