import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { userInfo } from 'node:os';
import { VainaError } from '../errors.js';
import { parseReference } from '../oci/reference.js';
import { podmanConnection, type PodmanConnection } from '../transports/podman-connections.js';
import { quote } from '../util/text.js';

/** The engines that a store may be of. */
export type StoreEngine = 'vaina' | 'podman';

/** One end of a transfer, as podman-image-scp(1) writes it. */
export interface ScpPlace {
  /** The image; empty where none is named. */
  image: string;
  /** Where it is; absent for the store of this engine. */
  host?: {
    name: string;
    user?: string;
    port?: number;
    /** File of the key to log in with. */
    identity?: string;
  };
}

/** How a program is started that reads or writes an archive of images. */
export interface PeerCommand {
  /** For messages, e.g. `ssh me@host`. */
  name: string;
  argv: readonly [string, ...string[]];
  env: NodeJS.ProcessEnv;
}

/** The store of this user, or of another one. */
const LOCAL = /^(?:[^@]*@)?localhost$/;
const HOST =
  /^(?:(?<user>[A-Za-z0-9_][\w.-]*)@)?(?:\[(?<six>[0-9A-Fa-f:.]+)\]|(?<name>[A-Za-z0-9][\w.-]*))(?::(?<port>\d{1,5}))?$/;

/**
 * Reads `[USER@]HOST[:PORT]::[IMAGE]`, `CONNECTION::[IMAGE]` with a name that podman knows, or the name of an image alone.
 *
 * @throws VainaError `ERR_INVALID_OPTION`; `ERR_UNSUPPORTED` for the path of a socket, and for a connection without ssh
 */
export async function parsePlace(text: string): Promise<ScpPlace> {
  const end = text.lastIndexOf('::');
  if (end === -1) return { image: text };
  const [place, image] = [text.slice(0, end), text.slice(end + 2)];
  const connection = LOCAL.test(place) ? undefined : await podmanConnection(place);
  if (connection) return { image, host: hostOf(connection, place) };
  const address = place.replace(/^ssh:\/\//, '');
  if (address.includes('/')) {
    throw new VainaError(
      'ERR_UNSUPPORTED',
      `${quote(text)}: there is no engine behind a socket here: name the host alone`,
      { subject: text },
    );
  }
  const host = parseHost(address);
  if (!host)
    throw new VainaError('ERR_INVALID_OPTION', `${quote(text)} does not name a host`, { subject: text });
  return { image, host };
}

function parseHost(text: string): ScpPlace['host'] {
  const { user, six, name = six, port } = HOST.exec(text)?.groups ?? {};
  if (name === undefined || Number(port ?? 1) > 65_535) return undefined;
  return {
    name,
    ...(user !== undefined && { user }),
    ...(port !== undefined && { port: Number(port) }),
  };
}

/** The machine behind a connection of podman, whose socket there is not asked. Its URI may hold a password, and is not shown. */
function hostOf({ uri, identity }: PodmanConnection, name: string): NonNullable<ScpPlace['host']> {
  const [, authority] = /^ssh:\/\/([^/?#]*)/.exec(uri) ?? [];
  if (authority === undefined) {
    throw new VainaError('ERR_UNSUPPORTED', `podman's connection ${quote(name)} does not go by ssh`, {
      subject: name,
    });
  }
  const host = parseHost(authority.replace(/:[^@]*@/, '@'));
  if (!host) {
    const what = `podman's connection ${quote(name)} has no host that ssh could be asked for`;
    throw new VainaError('ERR_INVALID_OPTION', what, { subject: name });
  }
  // With its port it is never the store of a user here, even where it is called localhost.
  return { port: 22, ...host, ...(identity !== undefined && { identity }) };
}

/** The program at a place that loads images, or saves one; undefined where that is the store of this engine. */
export function peerCommand(
  { host, image }: ScpPlace,
  verb: 'load' | 'save',
  engine: StoreEngine | undefined,
): PeerCommand | undefined {
  if (!host) return undefined;
  const words = verb === 'load' ? ['load'] : ['save', '--format', 'oci-archive', checkedName(image)];
  if (host.name !== 'localhost' || host.port !== undefined) return remoteCommand(host, words, engine);
  const { username } = userInfo();
  const program = engine ?? 'vaina';
  if (host.user !== undefined && host.user !== username) return otherUser(host.user, program, words);
  if (program === 'vaina') return undefined;
  return { name: program, argv: [program, ...words], env: process.env };
}

/** A name goes through a shell on another machine, and must not be an option. */
function checkedName(image: string): string {
  if (!/^[0-9a-f]{3,64}$/.test(image)) parseReference(image);
  return image;
}

function remoteCommand(
  { name, user, port, identity }: NonNullable<ScpPlace['host']>,
  words: readonly string[],
  engine: StoreEngine | undefined,
): PeerCommand {
  const rest = words.join(' ');
  const either = `if command -v vaina >/dev/null 2>&1; then exec vaina ${rest}; else exec podman ${rest}; fi`;
  const destination = user === undefined ? name : `${user}@${name}`;
  const options = [
    ...(port === undefined ? [] : ['-p', String(port)]),
    ...(identity === undefined ? [] : ['-i', identity]),
  ];
  const command = engine === undefined ? `sh -c '${either}'` : `${engine} ${rest}`;
  return {
    name: `ssh ${destination}`,
    argv: ['ssh', ...options, '--', destination, command],
    env: process.env,
  };
}

function otherUser(user: string, program: StoreEngine, words: readonly string[]): PeerCommand {
  if (process.getuid?.() !== 0) {
    throw new VainaError('ERR_PERMISSION', `only root reaches the store of ${user}`, {
      subject: user,
      hint: 'run it as root',
    });
  }
  const [, , uid = '', gid = '', , home = '/'] = passwdOf(user);
  const runtime = `/run/user/${uid}`;
  const ids = ['--reuid', uid, '--regid', gid, '--init-groups', '--inh-caps=-all'];
  return {
    name: `${program} of ${user}`,
    argv: ['setpriv', ...ids, program, ...words],
    env: {
      HOME: home,
      USER: user,
      LOGNAME: user,
      PATH: process.env['PATH'],
      ...(existsSync(runtime) && { XDG_RUNTIME_DIR: runtime }),
    },
  };
}

function passwdOf(user: string): string[] {
  try {
    return execFileSync('getent', ['passwd', user], { encoding: 'utf8' }).trim().split(':');
  } catch (error) {
    throw new VainaError('ERR_NO_SUCH_USER', `this host has no user ${user}`, {
      subject: user,
      cause: error,
    });
  }
}
