import { VainaError } from '../errors.js';
import { parseSize } from '../util/bytes.js';
import type { ContainerFacts } from './facts.js';
import { invalid, unsupported } from './invalid.js';
import { checkExclusive, PROPAGATION } from './mount-options.js';
import { mountTarget } from './mount-target.js';
import type { OciMount } from './oci-spec.js';
import { cleanPath } from './paths.js';

/** A bind mount as the options write it. */
export interface Volume {
  /** As it was written, which is how {@link ContainerFacts.sources} knows it. */
  source: string;
  destination: string;
  options: string[];
}

const PLAIN = ['ro', 'rw', 'exec', 'noexec', 'suid', 'nosuid', 'dev', 'nodev', 'bind', 'rbind', 'z', 'Z'];
const LATER = ['U', 'O', 'no-dereference'];
const OF_NAMED_VOLUMES = ['copy', 'nocopy', 'nocreate'];

/**
 * Parses `/host/path:/container/path[:options]`.
 *
 * @throws ERR_INVALID_OPTION; ERR_UNSUPPORTED for named and anonymous volumes, and for options that need more than a mount
 */
export function parseVolume(text: string): Volume {
  const parts = text.split(':');
  const [source = '', destination] = parts;
  if (parts.length > 3) throw invalid('volumes', `volume ${JSON.stringify(text)} has more than three parts`);
  if (destination === undefined) {
    throw unsupported(
      'volumes',
      `volume ${JSON.stringify(text)}: anonymous volumes are not supported yet`,
      BINDS,
    );
  }
  if (source === '') throw invalid('volumes', `volume ${JSON.stringify(text)} has no source`, BINDS);
  if (source.startsWith('.')) {
    throw invalid(
      'volumes',
      `volume ${JSON.stringify(text)} has a relative source`,
      'write an absolute path',
    );
  }
  if (!source.startsWith('/')) {
    throw unsupported(
      'volumes',
      `volume ${JSON.stringify(text)}: named volumes are not supported yet`,
      BINDS,
    );
  }
  const options = parts[2] === undefined ? [] : parts[2].split(',');
  for (const option of options) checkVolumeOption(text, option);
  checkExclusive('volumes', text, options);
  return { source, destination: mountTarget('volumes', destination), options };
}

const BINDS = 'write /host/path:/container/path[:options]';

function checkVolumeOption(text: string, option: string): void {
  if (PLAIN.includes(option)) return;
  if (option === 'shared' || option === 'rshared') {
    throw unsupported('volumes', `volume ${JSON.stringify(text)}: option ${option} is not supported yet`);
  }
  if (PROPAGATION.includes(option)) return;
  if (LATER.includes(option) || /^(idmap|upperdir|workdir|subpath)\b/.test(option)) {
    throw unsupported('volumes', `volume ${JSON.stringify(text)}: option ${option} is not supported yet`);
  }
  const why = OF_NAMED_VOLUMES.includes(option) ? 'is for named volumes' : 'is unknown';
  throw invalid('volumes', `volume ${JSON.stringify(text)}: option ${JSON.stringify(option)} ${why}`);
}

/**
 * The mount of a volume. A recursive bind gets its attributes on all mounts below it: `ro` that leaves a mount
 * below writable is not what anybody means.
 *
 * @throws ERR_NO_SUCH_PATH when the source is missing
 */
export function volumeMount(volume: Volume, facts: ContainerFacts): OciMount {
  if (facts.sources[volume.source] === 'missing') {
    throw new VainaError('ERR_NO_SUCH_PATH', `bind source ${volume.source} does not exist`, {
      path: volume.source,
    });
  }
  const recursive = !volume.options.includes('bind');
  const options: string[] = [recursive ? 'rbind' : 'bind'];
  const propagation = volume.options.find((option) => PROPAGATION.includes(option));
  options.push(propagation ?? (recursive ? 'rprivate' : 'private'));
  for (const option of ['ro', 'nosuid', 'nodev', 'noexec']) {
    if (volume.options.includes(option)) options.push(option, ...(recursive ? [`r${option}`] : []));
  }
  return { destination: volume.destination, type: 'bind', source: cleanPath(volume.source), options };
}

/**
 * The mount of `/path[:options]`; default rw,noexec,nosuid,nodev.
 *
 * @throws ERR_INVALID_OPTION; ERR_UNSUPPORTED for tmpcopyup
 */
export function tmpfsMount(text: string): OciMount {
  const parts = text.split(':');
  if (parts.length > 2) throw invalid('tmpfs', `tmpfs ${JSON.stringify(text)} has more than two parts`);
  const destination = mountTarget('tmpfs', parts[0] ?? '');
  const given = parts[1] === undefined ? [] : parts[1].split(',');
  checkExclusive('tmpfs', text, given);
  const options: string[] = [];
  for (const [off, on] of [
    ['nosuid', 'suid'],
    ['nodev', 'dev'],
    ['noexec', 'exec'],
  ] as const) {
    if (!given.includes(on)) options.push(off);
  }
  for (const option of given) options.push(...tmpfsOption(text, option));
  return { destination, type: 'tmpfs', source: 'tmpfs', options };
}

function tmpfsOption(text: string, option: string): string[] {
  const [key = '', value] = option.split('=', 2);
  if (value === undefined) {
    if (['ro', 'noatime'].includes(option)) return [option];
    if (option === 'noswap') return ['noswap'];
    if (['rw', 'exec', 'noexec', 'suid', 'nosuid', 'dev', 'nodev', 'private', 'rprivate'].includes(option))
      return [];
    if (option === 'notmpcopyup') return [];
    if (option === 'tmpcopyup') {
      throw unsupported('tmpfs', `tmpfs ${JSON.stringify(text)}: option tmpcopyup is not supported yet`);
    }
  } else if (key === 'size') {
    if (/^(100|[1-9]?\d)%$/.test(value)) return [option];
    const bytes = parseSize(value);
    if (bytes !== undefined) return [`size=${bytes}`];
  } else if (key === 'mode') {
    if (/^[0-7]{3,5}$/.test(value)) return [option];
  } else if (['uid', 'gid', 'nr_inodes', 'nr_blocks'].includes(key) && /^\d{1,10}$/.test(value)) {
    return [option];
  }
  throw invalid(
    'tmpfs',
    `tmpfs ${JSON.stringify(text)}: option ${JSON.stringify(option)} is unknown or malformed`,
  );
}
