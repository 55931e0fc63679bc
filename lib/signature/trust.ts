import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { VainaError } from '../errors.js';
import { fileFailure } from '../oci/failure.js';
import { replaceFile } from '../util/replace-file.js';
import { quote } from '../util/text.js';
import { homeOf, readNamedFile, readSmallFile } from './files.js';
import { userIdsOf } from './gpg.js';
import { checkOptions } from './options.js';
import { ACCEPT_ANYTHING, checkPolicy, parsePolicy, type Policy } from './policy.js';
import { policyPath, SYSTEM_POLICY, USER_POLICY } from './policy-file.js';
import { lookasideOf, readRegistriesD } from './registries-d.js';
import type { PolicyRequirement, SignedByRequirement } from './requirements.js';

/** Options of {@link showTrust}. */
export interface ShowTrustOptions {
  /** The policy. Default: the file that counts on this host, see `readPolicy`. */
  policyPath?: string;
  /** The registries.d directory (containers-registries.d(5)). Default: the user's, else the host's. */
  registriesDir?: string;
  /** The environment to look in for the user's home directory. Default: that of the process. */
  env?: NodeJS.ProcessEnv;
  /** Called with what could not be found out: whose keys the policy names. */
  onWarning?: (message: string) => void;
}

/** One requirement of a policy. */
export interface TrustRow {
  /** The transport that it is for; absent for the default of all. */
  transport?: string;
  /** What images of the transport it is for; empty for all. */
  scope: string;
  /** What is asked of them. */
  type: PolicyRequirement['type'];
  /** Of `signedBy`, the addresses in the ids of the OpenPGP keys, or the whole id of one without. */
  keyIds: readonly string[];
  /** URL where the signatures of these images are, as registries.d says. */
  lookaside?: string;
}

/** What {@link showTrust} tells. */
export interface ShownTrust {
  /** The file; absent where there is none and every image passes. */
  path?: string;
  /** Its text, or that of the policy that counts without a file. */
  text: string;
  /** Its requirements: the default first, then by transport and scope. */
  rows: readonly TrustRow[];
}

/**
 * Tells which images are let in (podman-image-trust(1)).
 *
 * @throws VainaError `ERR_NO_SUCH_PATH` when the file that was asked for does not exist, `ERR_INVALID_OPTION` for a malformed
 * file, `ERR_PERMISSION`, `ERR_IO`
 */
export async function showTrust(options: ShowTrustOptions = {}): Promise<ShownTrust> {
  checkOptions(options, ['policyPath', 'registriesDir', 'env', 'onWarning']);
  const { policyPath: given, env = process.env, onWarning } = options;
  const path = given ?? (await policyPath(env));
  const text =
    path === undefined ? JSON.stringify(ACCEPT_ANYTHING) : (await readNamedFile(path, 'policy')).toString();
  const policy = parsePolicy(text, `policy ${path}`);
  const { registriesDir } = options;
  const storages = await readRegistriesD({ env, ...(registriesDir !== undefined && { registriesDir }) });
  const rows: TrustRow[] = [];
  const add = async (all: readonly PolicyRequirement[], scope: string, transport?: string): Promise<void> => {
    const lookaside = lookasideOf(storages, scope);
    for (const requirement of all)
      rows.push({
        ...(transport !== undefined && { transport }),
        scope,
        type: requirement.type,
        keyIds: requirement.type === 'signedBy' ? await idsOf(requirement, onWarning) : [],
        ...(lookaside !== undefined && { lookaside }),
      });
  };
  await add(policy.default, '');
  for (const [transport, scopes] of sorted(policy.transports ?? {}))
    for (const [scope, all] of sorted(scopes)) await add(all, scope, transport);
  return { text, rows, ...(path !== undefined && { path }) };
}

/** Options of {@link setTrust}. */
export interface SetTrustOptions {
  /** What is asked of the images. Default `signedBy`. */
  type?: 'accept' | 'reject' | 'signedBy' | 'sigstoreSigned';
  /** Files of public keys, for the two types that need them: the image must be signed by a key of each. They must exist. */
  publicKeyFiles?: readonly string[];
  /** The policy to change. Default: the file that counts on this host; where there is none, that of the host for root, else the user's. */
  policyPath?: string;
  /** The environment to look in for the user's home directory. Default: that of the process. */
  env?: NodeJS.ProcessEnv;
}

/**
 * Says in a policy which images are let in (podman-image-trust(1)): of a registry or a part of it, in place of what it said
 * of them before. The file changes as a whole or not at all.
 *
 * @param scope - `host[:port][/path]`, or `default`
 * @returns the file
 * @throws VainaError `ERR_INVALID_OPTION` for keys that the type does not take or lacks, a scope that no image has, a file that
 * is malformed, and a policy that has no default yet; `ERR_NO_SUCH_PATH` for a missing key, `ERR_PERMISSION`, `ERR_IO`
 */
export async function setTrust(scope: string, options: SetTrustOptions = {}): Promise<string> {
  checkOptions(options, ['type', 'publicKeyFiles', 'policyPath', 'env']);
  const { env = process.env } = options;
  const requirements = await requirementsOf(options);
  const path = options.policyPath ?? (await policyPath(env)) ?? newPolicyPath(env);
  try {
    await replaceFile(
      path,
      async () => {
        const bytes = await readSmallFile(path);
        const old = bytes && parsePolicy(bytes, `policy ${path}`);
        return JSON.stringify(changed(old, scope, requirements), undefined, 4);
      },
      0o644,
    );
  } catch (error) {
    throw VainaError.is(error) ? error : fileFailure(error, path);
  }
  return path;
}

function changed(old: Policy | undefined, scope: string, requirements: readonly PolicyRequirement[]): Policy {
  if (scope === 'default') return checkPolicy({ ...old, default: requirements });
  if (!old) throw invalid('default trust policy must be set');
  const { transports = {} } = old;
  const [transport] = sorted(transports).find(([, scopes]) => Object.hasOwn(scopes, scope)) ?? ['docker'];
  const scopes = { ...transports[transport], [scope]: requirements };
  const all = { ...transports, [transport]: Object.fromEntries(sorted(scopes)) };
  return checkPolicy({ ...old, transports: Object.fromEntries(sorted(all)) });
}

async function requirementsOf(options: SetTrustOptions): Promise<PolicyRequirement[]> {
  const { type = 'signedBy', publicKeyFiles: files = [] } = options;
  switch (type) {
    case 'accept':
    case 'reject':
      if (files.length > 0)
        throw invalid(`${files.length} public keys unexpectedly provided for trust type ${type}`);
      return [{ type: type === 'accept' ? 'insecureAcceptAnything' : 'reject' }];
    case 'signedBy':
    case 'sigstoreSigned':
      if (files.length === 0) throw invalid(`at least one public key must be defined for type '${type}'`);
      for (const file of files) await readNamedFile(file, 'public key');
      return files.map((file) =>
        type === 'signedBy'
          ? { type, keyType: 'GPGKeys', keyPath: resolve(file) }
          : { type, keyPath: resolve(file) },
      );
    default:
      throw invalid(`unknown trust type ${quote(type)}`);
  }
}

async function idsOf(
  { keyPath, keyPaths, keyData }: SignedByRequirement,
  onWarning: ShowTrustOptions['onWarning'],
): Promise<string[]> {
  const ids: string[] = [];
  const read = async (open: () => Promise<Buffer>): Promise<void> => {
    try {
      for (const id of await userIdsOf(await open())) ids.push(/<([^>]*)>/.exec(id)?.[1] ?? id);
    } catch (error) {
      if (!VainaError.is(error)) throw error;
      onWarning?.(error.message);
    }
  };
  for (const path of [...(keyPath === undefined ? [] : [keyPath]), ...(keyPaths ?? [])])
    await read(() => readNamedFile(path, 'public key'));
  if (keyData !== undefined) await read(async () => Buffer.from(keyData, 'base64'));
  return ids;
}

function newPolicyPath(env: NodeJS.ProcessEnv): string {
  return process.getuid?.() === 0 ? SYSTEM_POLICY : join(homeOf(env) ?? homedir(), USER_POLICY);
}

function sorted<T>(object: Readonly<Record<string, T>>): [string, T][] {
  return Object.entries(object).sort(([a], [b]) => (a < b ? -1 : 1));
}

function invalid(message: string): VainaError {
  return new VainaError('ERR_INVALID_OPTION', message);
}
