import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { VainaError } from '../errors.js';
import { homeOf } from './homes.js';
import type { Settings } from './options.js';

/** Certificates for one registry, in PEM. */
export interface Certificates {
  /** All authorities to be trusted: the host's and the registry's own. */
  ca: string[];
  /** Client certificates and their keys, in the same order. */
  cert: string[];
  key: string[];
}

/** Where the distributions keep the authorities that the host trusts. */
const SYSTEM_BUNDLES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/ssl/cert.pem',
];

/**
 * The certificates for a registry (containers-certs.d(5)): `certDir`, else the first directory for `host[:port]` of the
 * usual places. The host's own authorities are trusted as well, as the peers do, or those of Node where it has none; none at all where nothing is to
 * be verified.
 *
 * @throws VainaError `ERR_NO_SUCH_PATH`, `ERR_INVALID_OPTION` for a certificate without its key
 */
export async function loadCertificates(host: string, settings: Settings): Promise<Certificates> {
  const system = settings.tlsVerify ? await systemAuthorities(settings.env) : [];
  const directory = settings.certDir ?? (await findDirectory(host, settings.env));
  if (directory === undefined) return { ca: system, cert: [], key: [] };
  const names = (await list(directory, settings.certDir !== undefined)).sort();
  const read = (name: string): Promise<string> => readPem(join(directory, name));
  const ca = await Promise.all(names.filter((name) => name.endsWith('.crt')).map(read));
  const pairs = names.filter((name) => name.endsWith('.cert')).map((name) => name.slice(0, -'.cert'.length));
  for (const pair of pairs) {
    if (names.includes(`${pair}.key`)) continue;
    const path = join(directory, `${pair}.cert`);
    throw new VainaError(
      'ERR_INVALID_OPTION',
      `client certificate ${path} has no key ${pair}.key beside it`,
      { path },
    );
  }
  return {
    ca: [...system, ...ca],
    cert: await Promise.all(pairs.map((pair) => read(`${pair}.cert`))),
    key: await Promise.all(pairs.map((pair) => read(`${pair}.key`))),
  };
}

async function systemAuthorities(env: NodeJS.ProcessEnv): Promise<string[]> {
  const extra = env['NODE_EXTRA_CA_CERTS']
    ? [await readFile(env['NODE_EXTRA_CA_CERTS'], 'utf8').catch(() => '')]
    : [];
  const candidates = env['SSL_CERT_FILE'] ? [env['SSL_CERT_FILE']] : SYSTEM_BUNDLES;
  for (const path of candidates) {
    const bundle = await readFile(path, 'utf8').catch(() => '');
    if (bundle.includes('-----BEGIN CERTIFICATE-----')) return [bundle, ...extra];
  }
  const { rootCertificates } = await import('node:tls');
  return [...rootCertificates, ...extra];
}

async function findDirectory(host: string, env: NodeJS.ProcessEnv): Promise<string | undefined> {
  const home = homeOf(env);
  const parents = [
    ...(home === undefined ? [] : [join(home, '.config/containers/certs.d')]),
    '/etc/containers/certs.d',
    '/etc/docker/certs.d',
  ];
  for (const parent of parents) {
    const directory = join(parent, host);
    const found = await readdir(directory).catch(() => undefined);
    if (found) return directory;
  }
  return undefined;
}

async function list(directory: string, named: boolean): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (cause) {
    if (!named) return [];
    throw new VainaError('ERR_NO_SUCH_PATH', `certificate directory ${directory} cannot be read`, {
      path: directory,
      cause,
    });
  }
}

async function readPem(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new VainaError('ERR_PERMISSION', `certificate ${path} cannot be read`, { path, cause });
  }
}
