import { VainaError } from '../errors.js';
import { CAP_SYS_RESOURCE } from './capabilities.js';
import type { HostFacts } from './facts.js';
import type { OciRlimit } from './oci-spec.js';

/** Resources of setrlimit(2) by number, in the kernel's order on every architecture but mips and alpha. */
export const RLIMITS = [
  'RLIMIT_CPU',
  'RLIMIT_FSIZE',
  'RLIMIT_DATA',
  'RLIMIT_STACK',
  'RLIMIT_CORE',
  'RLIMIT_RSS',
  'RLIMIT_NPROC',
  'RLIMIT_NOFILE',
  'RLIMIT_MEMLOCK',
  'RLIMIT_AS',
  'RLIMIT_LOCKS',
  'RLIMIT_SIGPENDING',
  'RLIMIT_MSGQUEUE',
  'RLIMIT_NICE',
  'RLIMIT_RTPRIO',
  'RLIMIT_RTTIME',
] as const;

/** RLIM_INFINITY. */
export const INFINITY = 0xffff_ffff_ffff_ffffn;

/** What podman gives, cut to what the engine may set. */
const DEFAULT = 1048576n;

/**
 * Parses `name=soft[:hard]`; -1 is no limit, the hard limit defaults to the soft one.
 *
 * @throws ERR_INVALID_OPTION
 */
export function parseUlimit(text: string): OciRlimit {
  const match = /^([a-z]+)=(-1|\d{1,20})(?::(-1|\d{1,20}))?$/i.exec(text);
  const type = `RLIMIT_${(match?.[1] ?? '').toUpperCase()}`;
  if (!match || !(RLIMITS as readonly string[]).includes(type)) {
    throw invalid(text, 'is not of the form name=soft[:hard]', `names are ${shortNames()}`);
  }
  const soft = value(match[2] ?? '');
  const hard = match[3] === undefined ? soft : value(match[3]);
  if (soft > INFINITY || hard > INFINITY) throw invalid(text, 'is above 18446744073709551615');
  if (soft > hard) throw invalid(text, 'has a soft limit above the hard one');
  return { type, soft: narrow(soft), hard: narrow(hard) };
}

/**
 * The limits of a container: those asked for, and podman's defaults for open files and processes.
 *
 * @throws ERR_PERMISSION when a hard limit is above the engine's own and the engine may not raise it
 */
export function compileRlimits(ulimits: readonly string[] | undefined, host: HostFacts): OciRlimit[] {
  if (ulimits?.includes('host') === true) return [];
  const limits = (ulimits ?? []).map(parseUlimit);
  for (const limit of limits) {
    const own = ceiling(limit.type, host);
    if (own !== undefined && BigInt(limit.hard) > own) {
      throw new VainaError(
        'ERR_PERMISSION',
        `ulimit ${limit.type.slice(7).toLowerCase()} of ${limit.hard} is above the engine's own hard limit of ${own}`,
        { subject: 'ulimits', hint: 'raise the hard limit of the program, or give it CAP_SYS_RESOURCE' },
      );
    }
  }
  for (const type of ['RLIMIT_NOFILE', 'RLIMIT_NPROC']) {
    if (limits.some((limit) => limit.type === type)) continue;
    const own = ceiling(type, host) ?? DEFAULT;
    const limit = own < DEFAULT ? own : DEFAULT;
    limits.push({ type, soft: narrow(limit), hard: narrow(limit) });
  }
  return limits;
}

/** The highest hard limit that the engine may set; undefined when there is none. */
function ceiling(type: string, host: HostFacts): bigint | undefined {
  const mayRaise = !host.rootless && (host.capabilities & (1n << BigInt(CAP_SYS_RESOURCE))) !== 0n;
  return mayRaise ? undefined : host.rlimits[type]?.hard;
}

function value(text: string): bigint {
  return text === '-1' ? INFINITY : BigInt(text);
}

/** JSON has no bigints, so they are kept for what needs them. */
function narrow(limit: bigint): bigint | number {
  return limit <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(limit) : limit;
}

function shortNames(): string {
  return RLIMITS.map((name) => name.slice(7).toLowerCase()).join(', ');
}

function invalid(text: string, why: string, hint?: string): VainaError {
  return new VainaError('ERR_INVALID_OPTION', `ulimit ${JSON.stringify(text)} ${why}`, {
    subject: 'ulimits',
    ...(hint === undefined ? {} : { hint }),
  });
}
