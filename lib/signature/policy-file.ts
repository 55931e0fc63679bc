import { join } from 'node:path';
import { homeOf, readNamedFile, readSmallFile } from './files.js';
import { checkOptions } from './options.js';
import { ACCEPT_ANYTHING, parsePolicy, type Policy } from './policy.js';

/** Options of {@link readPolicy}. */
export interface PolicyFileOptions {
  /** The file to read; it must be there. Default: the files that podman and skopeo look for. */
  path?: string;
  /** The environment to look in for the user's home directory. Default: that of the process. */
  env?: NodeJS.ProcessEnv;
}

/** A policy, and where it came from. */
export interface PolicyFile {
  /** The policy. */
  policy: Policy;
  /** The file; undefined when there is none, and the policy is the one that accepts everything. */
  path?: string;
}

/** Where the policy of a host is. */
export const SYSTEM_POLICY = '/etc/containers/policy.json';

/** Where the policy of a user is, below the home directory. */
export const USER_POLICY = '.config/containers/policy.json';

/**
 * Reads the policy of the host: the file that was asked for, else that of the user, else that of the system. The first
 * that exists counts alone. podman and skopeo refuse to work where there is none; here a host without any has no
 * policy, and every image passes.
 *
 * @throws VainaError `ERR_NO_SUCH_PATH` when the file that was asked for does not exist, `ERR_INVALID_OPTION` when it is
 * malformed, `ERR_PERMISSION`, `ERR_IO`
 */
export async function readPolicy(options: PolicyFileOptions = {}): Promise<PolicyFile> {
  checkOptions(options, ['path', 'env']);
  const path = options.path ?? (await policyPath(options.env ?? process.env));
  if (path === undefined) return { policy: ACCEPT_ANYTHING };
  return { policy: parsePolicy(await readNamedFile(path, 'policy'), `policy ${path}`), path };
}

/** The file that counts on this host; undefined where there is none. */
export async function policyPath(env: NodeJS.ProcessEnv): Promise<string | undefined> {
  const home = homeOf(env);
  for (const path of [...(home === undefined ? [] : [join(home, USER_POLICY)]), SYSTEM_POLICY])
    if ((await readSmallFile(path)) !== undefined) return path;
  return undefined;
}
