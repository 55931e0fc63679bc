import { CommandError } from './errors.js';
import { flag, type Flag } from './flags.js';
import type { ImageRegistryOptions, PullOptions, PullPolicy } from '../index.js';
import { platformName } from './platform.js';
import { progressPrinter } from './progress.js';
import { chooser } from './prompt.js';
import type { Session } from './verb.js';

/** The flags that say how a registry is reached, as they were given. */
export interface AccessGiven {
  authfile?: string;
  certDir?: string;
  creds?: string;
  tlsVerify?: boolean;
}

/** The flags of every command that may pull, as they were given. */
export interface TransferGiven extends AccessGiven {
  arch?: string;
  os?: string;
  platform?: string;
  quiet?: boolean;
  variant?: string;
}

/** The flags that say how a registry is reached. */
export function accessFlags(): Flag[] {
  return [
    flag('--authfile <string>', 'Path of the authentication file', 'string'),
    flag('--cert-dir <Pathname>', 'Pathname of a directory containing TLS certificates and keys', 'string'),
    flag(
      '--creds <Credentials>',
      'Credentials (USERNAME:PASSWORD) to use for authenticating to a registry',
      'string',
    ),
    flag('--tls-verify', 'Require HTTPS and verify certificates when contacting registries'),
  ];
}

/** What the library is told of them. */
export function accessOptions({ authfile, certDir, creds, tlsVerify }: AccessGiven): ImageRegistryOptions {
  return {
    ...(tlsVerify === undefined ? {} : { tlsVerify }),
    ...(creds === undefined ? {} : { creds: credentials(creds) }),
    ...(authfile === undefined ? {} : { authFile: authfile }),
    ...(certDir === undefined ? {} : { certDir }),
  };
}

/** The flags of every command that may pull. */
export function transferFlags(): Flag[] {
  return [
    flag(
      '--arch <ARCH>',
      'use ARCH instead of the architecture of the machine for choosing images',
      'string',
    ),
    ...accessFlags(),
    flag('--os <OS>', 'use OS instead of the running OS for choosing images', 'string'),
    flag(
      '--platform <string>',
      'Specify the platform for selecting the image (conflicts with arch and os)',
      'string',
    ),
    flag('-q, --quiet', 'Suppress output information when pulling images'),
    flag(
      '--variant <string>',
      'use VARIANT instead of the running architecture variant for choosing images',
      'string',
    ),
  ];
}

/** What the library is told of them, but for the signal. */
export function transferOptions(session: Session, given: TransferGiven): PullOptions {
  const platform = platformOf(given);
  const choose = chooser(session.host);
  const onTry = (reference: string, why?: string): void => {
    if (why !== undefined && why !== said) session.err(`${why}\n`);
    said = why;
    session.err(`Trying to pull ${reference}...\n`);
  };
  let said: string | undefined;
  return {
    ...(choose === undefined ? {} : { chooseShortName: choose }),
    ...(platform === undefined ? {} : { platform }),
    ...accessOptions(given),
    ...((given.quiet ?? false) ? {} : { onTry, onProgress: progressPrinter(session) }),
  };
}

function platformOf({ arch, os, platform, variant }: TransferGiven): string | undefined {
  const parts = platformName(os, arch, variant);
  if (parts !== undefined && platform !== undefined)
    throw new CommandError('--platform option can not be specified with --arch or --os');
  return parts ?? platform;
}

/** The flags for failures that may pass, as they were given. */
export interface RetryGiven {
  retry?: number;
  /** In milliseconds. */
  retryDelay?: number;
}

/** The flags for failures that may pass. */
export function retryFlags(): Flag[] {
  return [
    flag(
      '--retry <uint>',
      'how often a request that failed for a reason that may pass is made again (default 2)',
      'uint',
    ),
    flag(
      '--retry-delay <duration>',
      'delay before the first retry; it doubles with each (default 1s)',
      'duration',
    ),
  ];
}

/** What the library is told of them. */
export function retryOptions({ retry, retryDelay }: RetryGiven): Pick<PullOptions, 'retry' | 'retryDelay'> {
  return { ...(retry !== undefined && { retry }), ...(retryDelay !== undefined && { retryDelay }) };
}

const PULL_POLICIES: Readonly<Record<string, PullPolicy>> = {
  always: 'always',
  true: 'always',
  missing: 'missing',
  ifnotpresent: 'missing',
  false: 'missing',
  never: 'never',
  newer: 'newer',
  ifnewer: 'newer',
};

/** podman's words for when an image is pulled. */
export function pullPolicy(text: string): PullPolicy {
  const word = text.toLowerCase();
  const policy = Object.hasOwn(PULL_POLICIES, word) ? PULL_POLICIES[word] : undefined;
  if (policy === undefined) throw new CommandError(`unsupported pull policy "${text}"`);
  return policy;
}

/** `USERNAME:PASSWORD`, taken apart. */
function credentials(text: string): { username: string; password: string } {
  const colon = text.indexOf(':');
  if (colon < 1) throw new CommandError('credentials must be given as USERNAME:PASSWORD');
  return { username: text.slice(0, colon), password: text.slice(colon + 1) };
}
