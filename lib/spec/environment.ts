import { VainaError } from '../errors.js';

/** The search path of a container whose image has none. */
export const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** What an environment is made of, from weak to strong but for the last two, which only fill gaps. */
export interface EnvironmentSources {
  image?: readonly string[] | undefined;
  options?: Readonly<Record<string, string | undefined>> | undefined;
  hostname: string;
  home: string;
}

/**
 * The environment as `NAME=value`, in a fixed order: PATH, container, HOSTNAME, HOME, TERM, then the image's and the
 * options' as they come.
 *
 * @throws ERR_INVALID_IMAGE when a variable of the image has no name or a NUL
 */
export function compileEnvironment(sources: EnvironmentSources): string[] {
  const variables = new Map<string, string>([
    ['PATH', DEFAULT_PATH],
    ['container', 'vaina'],
    ['HOSTNAME', sources.hostname],
    ['HOME', sources.home],
    // Without a terminal too: what runs a program in the container later may bring one.
    ['TERM', 'xterm'],
  ]);
  for (const entry of sources.image ?? []) {
    const [name, value] = split(entry);
    if (name === '' || entry.includes('\0')) {
      throw new VainaError(
        'ERR_INVALID_IMAGE',
        `config.Env of the image has the malformed entry ${JSON.stringify(entry)}`,
      );
    }
    variables.set(name, value);
  }
  for (const [name, value] of Object.entries(sources.options ?? {})) {
    if (value === undefined) variables.delete(name);
    else variables.set(name, value);
  }
  return [...variables].map(([name, value]) => `${name}=${value}`);
}

/** The environment of an exec: the container's, and what is given over it. */
export function mergeEnvironment(
  container: readonly string[],
  over: Readonly<Record<string, string | undefined>>,
): string[] {
  const variables = new Map(container.map(split));
  for (const [name, value] of Object.entries(over)) {
    if (value === undefined) variables.delete(name);
    else variables.set(name, value);
  }
  return [...variables].map(([name, value]) => `${name}=${value}`);
}

/** `NAME=value` in its two parts; without `=` the value is empty. */
function split(entry: string): [string, string] {
  const at = entry.indexOf('=');
  return at < 0 ? [entry, ''] : [entry.slice(0, at), entry.slice(at + 1)];
}
