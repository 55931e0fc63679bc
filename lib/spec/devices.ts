import { VainaError } from '../errors.js';
import type { ContainerFacts, DeviceFacts } from './facts.js';
import { invalid, unsupported } from './invalid.js';
import { mountTarget } from './mount-target.js';
import type { OciDevice, OciDeviceRule, OciMount } from './oci-spec.js';
import { isBelow } from './paths.js';

/** A device as the options write it. */
export interface DeviceRequest {
  source: string;
  destination: string;
  access: string;
}

/** What the devices of a container come to. */
export interface CompiledDevices {
  nodes: OciDevice[];
  rules: OciDeviceRule[];
  /** In a user namespace nobody can make device nodes, so the host's are bound. */
  binds: OciMount[];
}

/** The nodes every container has: name and minor number; the major one is 1, of `tty` 5. */
export const STANDARD_NODES: readonly (readonly [string, number, number])[] = [
  ['null', 1, 3],
  ['zero', 1, 5],
  ['full', 1, 7],
  ['random', 1, 8],
  ['urandom', 1, 9],
  ['tty', 5, 0],
];

/** The links every container has in /dev: name and target. */
export const STANDARD_LINKS: readonly (readonly [string, string])[] = [
  ['fd', '/proc/self/fd'],
  ['stdin', '/proc/self/fd/0'],
  ['stdout', '/proc/self/fd/1'],
  ['stderr', '/proc/self/fd/2'],
  ['core', '/proc/kcore'],
  ['ptmx', 'pts/ptmx'],
];

/** Access that every container has: making any node, but opening only these (and what the options add). */
export const STANDARD_RULES: readonly OciDeviceRule[] = [
  { allow: true, type: 'c', access: 'm' },
  { allow: true, type: 'b', access: 'm' },
  ...STANDARD_NODES.map(
    ([, major, minor]) => ({ allow: true, type: 'c', major, minor, access: 'rwm' }) as const,
  ),
  { allow: true, type: 'c', major: 5, minor: 2, access: 'rwm' },
  { allow: true, type: 'c', major: 136, access: 'rwm' },
];

/**
 * Parses `/dev/host[:/dev/container][:rwm]`.
 *
 * @throws ERR_INVALID_OPTION; ERR_UNSUPPORTED for names of the container device interface
 */
export function parseDevice(text: string): DeviceRequest {
  const parts = text.split(':');
  const [source = '', second, third] = parts;
  if (!source.startsWith('/')) {
    if (/^[^/:]+\/[^/:]+=/.test(text)) {
      throw unsupported('devices', `device ${JSON.stringify(text)}: CDI names are not supported yet`);
    }
    throw invalid('devices', `device ${JSON.stringify(text)} is no absolute path`);
  }
  const secondIsMode = second !== undefined && third === undefined && !second.startsWith('/');
  const access = (secondIsMode ? second : third) ?? 'rwm';
  const destination = secondIsMode ? source : (second ?? source);
  const letters = /^[rwm]{1,3}$/.test(access) && new Set(access).size === access.length;
  if (parts.length > 3 || !letters) {
    throw invalid(
      'devices',
      `device ${JSON.stringify(text)} is not of the form /dev/host[:/dev/container][:rwm]`,
    );
  }
  return { source, destination: mountTarget('devices', destination), access };
}

/** Nodes, rules and binds of the devices that the options name; with `privileged`, of all that the host has. */
export function compileDevices(
  requests: readonly DeviceRequest[],
  privileged: boolean,
  facts: ContainerFacts,
  rootless: boolean,
): CompiledDevices {
  const result: CompiledDevices = { nodes: [], rules: [], binds: [] };
  const standard = new Set(STANDARD_NODES.map(([name]) => `/dev/${name}`));
  const taken = new Set<string>();
  const add = (device: DeviceFacts, path: string, access: string): void => {
    if (standard.has(path)) return;
    taken.add(path);
    if (rootless) result.binds.push(nodeBind(device.path, path, access));
    else {
      const { type, major, minor, fileMode, uid, gid } = device;
      result.nodes.push({ type, path, major, minor, fileMode: fileMode & 0o7777, uid, gid });
      if (type !== 'p') result.rules.push({ allow: true, type, major, minor, access });
    }
  };
  for (const request of requests) {
    const found = facts.devices[request.source];
    if (!found || found.length === 0) {
      throw new VainaError('ERR_NO_SUCH_PATH', `no device at ${request.source}`, { path: request.source });
    }
    for (const device of found) {
      const path = renamed(device.path, request);
      if (taken.has(path)) throw invalid('devices', `two devices on ${path} of the container`);
      add(device, path, request.access);
    }
  }
  if (privileged) {
    for (const device of facts.hostDevices) {
      if (!isEngines(device.path) && !taken.has(device.path)) add(device, device.path, 'rwm');
    }
  }
  return result;
}

/** A node below /dev for the container's user namespace, from the host's. */
export function nodeBind(source: string, destination: string, access = 'rwm'): OciMount {
  const options = ['bind', 'private', 'nosuid', 'noexec', ...(access.includes('w') ? [] : ['ro'])];
  return { destination, type: 'bind', source, options };
}

/** What the container gets of its own. */
function isEngines(path: string): boolean {
  return ['/dev/console', '/dev/ptmx', '/dev/pts', '/dev/shm', '/dev/mqueue', '/dev/fd'].some((own) =>
    isBelow(path, own),
  );
}

/** A directory that was asked for yields devices below it; a link may yield one elsewhere. */
function renamed(path: string, request: DeviceRequest): string {
  const inside = isBelow(path, request.source) ? path.slice(request.source.length) : '';
  return `${request.destination}${inside}`;
}
