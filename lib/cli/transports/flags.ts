import { CommandError } from '../errors.js';
import { flag, type Flag } from '../flags.js';
import { platformName } from '../platform.js';
import type { EndOptions } from '../../transports/index.js';

/** skopeo's global flags, which may stand before or after the name of the command. */
export interface ImageGlobalGiven {
  /** In milliseconds. */
  commandTimeout?: number;
  debug?: boolean;
  insecurePolicy?: boolean;
  overrideArch?: string;
  overrideOs?: string;
  overrideVariant?: string;
  policy?: string;
  'registries.d'?: string;
  tmpdir?: string;
}

/** The flags of {@link ImageGlobalGiven}. */
export function imageGlobalFlags(): Flag[] {
  return [
    flag('--command-timeout <duration>', 'timeout for the command execution', 'duration'),
    flag('--debug', 'print all that is known of an error'),
    flag('--insecure-policy', 'run the tool without any policy check'),
    flag(
      '--override-arch <ARCH>',
      'use ARCH instead of the architecture of the machine for choosing images',
      'string',
    ),
    flag('--override-os <OS>', 'use OS instead of the running OS for choosing images', 'string'),
    flag(
      '--override-variant <VARIANT>',
      'use VARIANT instead of the running architecture variant for choosing images',
      'string',
    ),
    flag('--policy <string>', 'Path to a trust policy file', 'string'),
    flag(
      '--registries.d <DIR>',
      'use registry configuration files in DIR (e.g. for container signature storage)',
      'string',
    ),
    flag('--tmpdir <string>', 'directory used to store temporary files', 'string'),
  ];
}

/** What the library is told of the global flags by every job. */
export function jobOptions(given: ImageGlobalGiven): { timeoutMs?: number; tmpDir?: string } {
  const { commandTimeout: timeout = 0, tmpdir } = given;
  return { ...(timeout > 0 && { timeoutMs: timeout }), ...(tmpdir !== undefined && { tmpDir: tmpdir }) };
}

/** The platform that the global flags ask for, if they do. */
export function overridden(given: ImageGlobalGiven): { platform?: string } {
  const platform = platformName(given.overrideOs, given.overrideArch, given.overrideVariant);
  return platform === undefined ? {} : { platform };
}

/** Flags of one end: of a command with one, or with `src-` and `dest-` in front. */
export function endFlags(prefix: '' | 'src-' | 'dest-', daemon: boolean, sharedBlobs: boolean): Flag[] {
  const end = { '': '', 'src-': 'the source ', 'dest-': 'the destination ' }[prefix];
  const short = { '': undefined, 'src-': '--screds', 'dest-': '--dcreds' }[prefix];
  return [
    flag(`--${prefix}authfile <string>`, 'path of the authentication file', 'string'),
    flag(
      `--${prefix}cert-dir <PATH>`,
      `use certificates at PATH (*.crt, *.cert, *.key) to connect to ${end || 'the '}registry or daemon`,
      'string',
    ),
    flag(
      `--${prefix}creds <USERNAME[:PASSWORD]>`,
      'Use USERNAME[:PASSWORD] for accessing the registry',
      'string',
    ),
    ...(short === undefined ? [] : [flag(`${short} <USERNAME[:PASSWORD]>`, '', 'string').hideHelp()]),
    ...(daemon
      ? [
          flag(
            `--${prefix}daemon-host <HOST>`,
            'use docker daemon host at HOST (docker-daemon: only)',
            'string',
          ),
        ]
      : []),
    flag(`--${prefix}no-creds`, 'Access the registry anonymously'),
    flag(`--${prefix}password <string>`, 'Password for accessing the registry', 'string'),
    flag(`--${prefix}registry-token <string>`, 'Provide a Bearer token for accessing the registry', 'string'),
    ...(sharedBlobs
      ? [
          flag(
            `--${prefix}shared-blob-dir <DIRECTORY>`,
            'DIRECTORY to use to share blobs across OCI repositories',
            'string',
          ),
        ]
      : []),
    flag(
      `--${prefix}tls-verify`,
      'require HTTPS and verify certificates when talking to the container registry or daemon',
    ),
    flag(`--${prefix}username <string>`, 'Username for accessing the registry', 'string'),
  ];
}

/** The flag for failures that may pass. */
export function retryFlags(): Flag[] {
  return [
    flag(
      '--retry-delay <duration>',
      'delay before the first retry; it doubles with each (default 1s)',
      'duration',
    ),
    flag(
      '--retry-times <int>',
      'how often a request that failed for a reason that may pass is made again (default 2)',
      'uint',
    ),
  ];
}

/** What the library is told of one end. */
export function endOf(prefix: '' | 'src' | 'dest', flags: object): EndOptions {
  const given = flags as Readonly<Record<string, unknown>>;
  const of = <T>(name: string): T | undefined => {
    const key = prefix === '' ? name : prefix + name.slice(0, 1).toUpperCase() + name.slice(1);
    return given[key] as T | undefined;
  };
  const short = prefix === 'src' ? given['screds'] : prefix === 'dest' ? given['dcreds'] : undefined;
  const creds = of<string>('creds') ?? (short as string | undefined);
  const [username, password] = [of<string>('username'), of<string>('password')];
  const [anonymous, token] = [of<boolean>('noCreds') ?? false, of<string>('registryToken')];
  if (creds !== undefined && anonymous)
    throw new CommandError('creds and no-creds cannot be specified at the same time');
  if (username !== undefined && anonymous) {
    throw new CommandError('username and no-creds cannot be specified at the same time');
  }
  if (creds !== undefined && username !== undefined) {
    throw new CommandError('creds and username cannot be specified at the same time');
  }
  if ((username === undefined) !== (password === undefined)) {
    throw new CommandError('username and password must be specified together');
  }
  const authFile = of<string>('authfile') ?? (given['authfile'] as string | undefined);
  const [certDir, tlsVerify] = [of<string>('certDir'), of<boolean>('tlsVerify')];
  const [daemonHost, shared] = [of<string>('daemonHost'), of<string>('sharedBlobDir')];
  const times = given['retryTimes'] as number | undefined;
  const retryDelay = given['retryDelay'] as number | undefined;
  return {
    ...(creds !== undefined && { credentials: credentials(creds) }),
    ...(username !== undefined && password !== undefined && { credentials: { username, password } }),
    ...(anonymous && { anonymous }),
    ...(token !== undefined && { registryToken: token }),
    ...(authFile !== undefined && { authFile }),
    ...(certDir !== undefined && { certDir }),
    ...(tlsVerify !== undefined && { tlsVerify }),
    ...(daemonHost !== undefined && { daemonHost }),
    ...(shared !== undefined && { sharedBlobDirectory: shared }),
    ...(times !== undefined && { tries: times + 1 }),
    ...(retryDelay !== undefined && { retryDelay }),
  };
}

function credentials(text: string): { username: string; password: string } {
  if (text === '') throw new CommandError("credentials can't be empty");
  const colon = text.indexOf(':');
  if (colon === 0) throw new CommandError("username can't be empty");
  return colon === -1
    ? { username: text, password: '' }
    : { username: text.slice(0, colon), password: text.slice(colon + 1) };
}
