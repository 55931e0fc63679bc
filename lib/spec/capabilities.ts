import { VainaError } from '../errors.js';
import type { OciCapabilities } from './oci-spec.js';

/** Capabilities by number (linux/capability.h). */
export const CAPABILITIES = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_DAC_READ_SEARCH',
  'CAP_FOWNER',
  'CAP_FSETID',
  'CAP_KILL',
  'CAP_SETGID',
  'CAP_SETUID',
  'CAP_SETPCAP',
  'CAP_LINUX_IMMUTABLE',
  'CAP_NET_BIND_SERVICE',
  'CAP_NET_BROADCAST',
  'CAP_NET_ADMIN',
  'CAP_NET_RAW',
  'CAP_IPC_LOCK',
  'CAP_IPC_OWNER',
  'CAP_SYS_MODULE',
  'CAP_SYS_RAWIO',
  'CAP_SYS_CHROOT',
  'CAP_SYS_PTRACE',
  'CAP_SYS_PACCT',
  'CAP_SYS_ADMIN',
  'CAP_SYS_BOOT',
  'CAP_SYS_NICE',
  'CAP_SYS_RESOURCE',
  'CAP_SYS_TIME',
  'CAP_SYS_TTY_CONFIG',
  'CAP_MKNOD',
  'CAP_LEASE',
  'CAP_AUDIT_WRITE',
  'CAP_AUDIT_CONTROL',
  'CAP_SETFCAP',
  'CAP_MAC_OVERRIDE',
  'CAP_MAC_ADMIN',
  'CAP_SYSLOG',
  'CAP_WAKE_ALARM',
  'CAP_BLOCK_SUSPEND',
  'CAP_AUDIT_READ',
  'CAP_PERFMON',
  'CAP_BPF',
  'CAP_CHECKPOINT_RESTORE',
] as const;

/** The number of CAP_SYS_RESOURCE. */
export const CAP_SYS_RESOURCE = 24;

/** What a container has when nothing is said: podman's eleven. */
export const DEFAULT_CAPABILITIES = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_FOWNER',
  'CAP_FSETID',
  'CAP_KILL',
  'CAP_NET_BIND_SERVICE',
  'CAP_SETFCAP',
  'CAP_SETGID',
  'CAP_SETPCAP',
  'CAP_SETUID',
  'CAP_SYS_CHROOT',
];

/** What the options say of capabilities. */
export interface CapabilityOptions {
  capAdd?: readonly string[];
  capDrop?: readonly string[];
  privileged?: boolean;
}

/** `net_raw`, `CAP_NET_RAW` → `CAP_NET_RAW`; `all` → `ALL`; undefined when there is no such capability. */
export function capabilityName(text: string): string | undefined {
  const upper = text.toUpperCase();
  if (upper === 'ALL') return 'ALL';
  const name = upper.startsWith('CAP_') ? upper : `CAP_${upper}`;
  return (CAPABILITIES as readonly string[]).includes(name) ? name : undefined;
}

/** The mask of a list of names. */
export function capabilityMask(names: readonly string[]): bigint {
  return names.reduce((mask, name) => mask | (1n << BigInt(capabilityNumber(name))), 0n);
}

/** The names of a mask, by number. */
export function capabilityNames(mask: bigint): string[] {
  return CAPABILITIES.filter((_, number) => (mask & (1n << BigInt(number))) !== 0n);
}

function capabilityNumber(name: string): number {
  const number = (CAPABILITIES as readonly string[]).indexOf(name);
  if (number < 0) throw new VainaError('ERR_INVALID_OPTION', `unknown capability ${name}`, { subject: name });
  return number;
}

/**
 * The five sets of a container's process, from nothing but who it is, what was asked for, and what the engine can give.
 *
 * - bounding: the default set, plus what is added, less what is dropped; with `privileged` all there are, less the drops
 * - uid 0: effective and permitted are the bounding set
 * - other users: only what was added by `capAdd`, and then inheritable and ambient too, since execve(2) would drop it;
 *   `privileged` alone gives them nothing
 *
 * @param available - mask of what the engine has; `ALL` and the default set are cut to it
 * @throws ERR_PERMISSION when a capability that is named in `capAdd` is not available
 */
export function capabilitySets(uid: number, options: CapabilityOptions, available: bigint): OciCapabilities {
  const added = normalize(options.capAdd);
  const dropped = normalize(options.capDrop);
  for (const name of added) {
    if (name !== 'ALL' && (capabilityMask([name]) & available) === 0n) {
      throw new VainaError('ERR_PERMISSION', `cannot add ${name}: the engine does not have it itself`, {
        subject: name,
        hint: 'run the program with this capability',
      });
    }
  }
  const named = capabilityMask(added.filter((name) => name !== 'ALL'));
  const drops = capabilityMask(dropped.filter((name) => name !== 'ALL'));
  const all = options.privileged === true || added.includes('ALL');
  const base = all
    ? available
    : dropped.includes('ALL')
      ? 0n
      : capabilityMask(DEFAULT_CAPABILITIES) & available;
  const bounding = (base | named) & ~drops;
  const own = added.includes('ALL') ? available & ~drops : named;
  const effective = uid === 0 ? bounding : own;
  const kept = uid === 0 ? 0n : own;
  return {
    bounding: capabilityNames(bounding),
    effective: capabilityNames(effective),
    permitted: capabilityNames(effective),
    inheritable: capabilityNames(kept),
    ambient: capabilityNames(kept),
  };
}

/** All that the kernel knows, as a mask. */
export function allCapabilities(lastCapability: number): bigint {
  return (1n << BigInt(Math.min(lastCapability + 1, CAPABILITIES.length))) - 1n;
}

function normalize(names: readonly string[] | undefined): string[] {
  return (names ?? []).map((text) => {
    const name = capabilityName(text);
    if (name === undefined) {
      throw new VainaError('ERR_INVALID_OPTION', `unknown capability ${JSON.stringify(text)}`, {
        subject: text,
      });
    }
    return name;
  });
}
