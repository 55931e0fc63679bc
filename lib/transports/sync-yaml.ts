import { readFile } from 'node:fs/promises';
import { VainaError } from '../errors.js';
import { fileFailure } from '../oci/failure.js';
import type { EndOptions } from './options.js';

/** What a file of skopeo-sync(1) says of one registry. */
export interface SyncRegistry {
  /** `host[:port]`. */
  registry: string;
  images: readonly SyncRule[];
  /** How to reach it. */
  options: EndOptions;
}

/** Which images of a repository are meant. */
export type SyncRule = { repository: string } & (
  | { kind: 'all' }
  | { kind: 'names'; names: readonly string[] }
  | { kind: 'regex'; expression: string }
  | { kind: 'semver'; range: string }
);

const MAX_FILE = 16 * 1024 * 1024;

type Fail = (what: string) => VainaError;

/**
 * Reads a file that says what is to be synchronised (skopeo-sync(1), YAML file content). Other than skopeo, it refuses keys
 * that it does not know.
 *
 * @throws VainaError `ERR_NO_SUCH_PATH`, `ERR_INVALID_OPTION` for a malformed file
 */
export async function readSyncFile(path: string): Promise<SyncRegistry[]> {
  const text = await readFile(path).catch((error: unknown) => {
    throw fileFailure(error, path);
  });
  if (text.length > MAX_FILE) throw new VainaError('ERR_INVALID_OPTION', `${path} is too large`, { path });
  return parseSyncFile(text.toString(), path);
}

/** As {@link readSyncFile}, of the text itself. */
export async function parseSyncFile(text: string, path: string): Promise<SyncRegistry[]> {
  const { parse } = await import('yaml');
  let value: unknown;
  try {
    value = parse(text) as unknown;
  } catch (cause) {
    throw new VainaError('ERR_INVALID_OPTION', `${path} is not YAML`, { path, cause });
  }
  const fail: Fail = (what) => new VainaError('ERR_INVALID_OPTION', `${path}: ${what}`, { path });
  return Object.entries(mapOf(value, 'the file', fail)).map(([registry, entry]) => {
    return readRegistry(registry, mapOf(entry, registry, fail), fail);
  });
}

function readRegistry(registry: string, entry: Record<string, unknown>, fail: Fail): SyncRegistry {
  const images: SyncRule[] = [];
  const options: EndOptions = {};
  for (const [key, value] of Object.entries(entry)) {
    const where = `${registry}.${key}`;
    if (value === null) continue;
    switch (key) {
      case 'images':
        images.push(
          ...rulesOf(value, where, fail, (repository, names) => namesRule(repository, names, where, fail)),
        );
        break;
      case 'images-by-tag-regex':
        images.push(
          ...rulesOf(value, where, fail, (repository, given) => {
            return { kind: 'regex', repository, expression: textOf(given, `${where}.${repository}`, fail) };
          }),
        );
        break;
      case 'images-by-semver':
        images.push(
          ...rulesOf(value, where, fail, (repository, given) => {
            return { kind: 'semver', repository, range: textOf(given, `${where}.${repository}`, fail) };
          }),
        );
        break;
      case 'credentials':
        Object.assign(options, credentialsOf(mapOf(value, where, fail), where, fail));
        break;
      case 'tls-verify':
        if (typeof value !== 'boolean') throw fail(`${where} must be true or false`);
        options.tlsVerify = value;
        break;
      case 'cert-dir':
        options.certDir = textOf(value, where, fail);
        break;
      default:
        throw fail(`${where} is not a key that is known`);
    }
  }
  return { registry, images, options };
}

function rulesOf(
  value: unknown,
  where: string,
  fail: Fail,
  read: (repository: string, value: unknown) => SyncRule,
): SyncRule[] {
  return Object.entries(mapOf(value, where, fail)).map(([repository, given]) => read(repository, given));
}

function namesRule(repository: string, value: unknown, where: string, fail: Fail): SyncRule {
  const names = value ?? [];
  if (!Array.isArray(names)) throw fail(`${where}.${repository} must be a list of tags and digests`);
  if (names.length === 0) return { kind: 'all', repository };
  return {
    kind: 'names',
    repository,
    names: names.map((name) => textOf(name, `${where}.${repository}`, fail)),
  };
}

function credentialsOf(value: Record<string, unknown>, where: string, fail: Fail): EndOptions {
  const unknown = Object.keys(value).find((key) => key !== 'username' && key !== 'password');
  if (unknown !== undefined) throw fail(`${where}.${unknown} is not a key that is known`);
  const { username, password } = value;
  // What is wrong is said without what was there: it may be the secret.
  if (typeof username !== 'string' || typeof password !== 'string') {
    throw fail(`${where} must have a username and a password as text`);
  }
  return { credentials: { username, password } };
}

function mapOf(value: unknown, where: string, fail: Fail): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw fail(`${where} must be a map`);
  return value as Record<string, unknown>;
}

/** A tag such as `1.0` may have been written without quotes: then it is a number, and no longer what was meant. */
function textOf(value: unknown, where: string, fail: Fail): string {
  if (typeof value === 'string' && value !== '') return value;
  throw fail(`${where}: ${JSON.stringify(value)} is not text; put it in quotes`);
}
