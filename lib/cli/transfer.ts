import { CommandError } from './errors.js';
import { flag, type Flag } from './flags.js';
import type { Pull } from './library.js';
import { progressPrinter } from './progress.js';
import type { Session } from './verb.js';

/** The flags of every command that may ask a registry, as they were given. */
export interface TransferGiven {
  arch?: string;
  authfile?: string;
  certDir?: string;
  creds?: string;
  os?: string;
  platform?: string;
  quiet?: boolean;
  tlsVerify?: boolean;
  variant?: string;
}

/** The flags of every command that may ask a registry. */
export function transferFlags(): Flag[] {
  return [
    flag(
      '--arch <ARCH>',
      'use ARCH instead of the architecture of the machine for choosing images',
      'string',
    ),
    flag('--authfile <string>', 'Path of the authentication file', 'string'),
    flag('--cert-dir <Pathname>', 'Pathname of a directory containing TLS certificates and keys', 'string'),
    flag(
      '--creds <Credentials>',
      'Credentials (USERNAME:PASSWORD) to use for authenticating to a registry',
      'string',
    ),
    flag('--os <OS>', 'use OS instead of the running OS for choosing images', 'string'),
    flag(
      '--platform <string>',
      'Specify the platform for selecting the image (conflicts with arch and os)',
      'string',
    ),
    flag('-q, --quiet', 'Suppress output information when pulling images'),
    flag('--tls-verify', 'Require HTTPS and verify certificates when contacting registries'),
    flag(
      '--variant <string>',
      'use VARIANT instead of the running architecture variant for choosing images',
      'string',
    ),
  ];
}

/** What the library is told of them, but for the signal. */
export function transferOptions(session: Session, given: TransferGiven): Pull {
  const platform = platformOf(given);
  return {
    ...(platform === undefined ? {} : { platform }),
    ...(given.tlsVerify === undefined ? {} : { tlsVerify: given.tlsVerify }),
    ...(given.creds === undefined ? {} : { creds: credentials(given.creds) }),
    ...(given.authfile === undefined ? {} : { authFile: given.authfile }),
    ...(given.certDir === undefined ? {} : { certDir: given.certDir }),
    ...((given.quiet ?? false) ? {} : { onProgress: progressPrinter(session) }),
  };
}

/** Architectures as `process.arch` has them, in the words of images. */
const ARCHITECTURES: Record<string, string> = { x64: 'amd64', ia32: '386', arm64: 'arm64', arm: 'arm' };

function platformOf({ arch, os, platform, variant }: TransferGiven): string | undefined {
  if (arch === undefined && os === undefined && variant === undefined) return platform;
  if (platform !== undefined)
    throw new CommandError('--platform option can not be specified with --arch or --os');
  const host = ARCHITECTURES[process.arch] ?? process.arch;
  return `${os ?? 'linux'}/${arch ?? host}${variant === undefined ? '' : `/${variant}`}`;
}

function credentials(text: string): { username: string; password: string } {
  const colon = text.indexOf(':');
  if (colon < 1) throw new CommandError('credentials must be given as USERNAME:PASSWORD');
  return { username: text.slice(0, colon), password: text.slice(colon + 1) };
}
