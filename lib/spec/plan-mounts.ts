import { v1Directories } from './cgroup-plan.js';
import { nodeBind, STANDARD_LINKS, STANDARD_NODES } from './devices.js';
import type { CgroupFacts, HostFacts } from './facts.js';
import { BIND, MOUNT_ATTR, parseMountOptions } from './mount-options.js';
import { hasOwn } from './namespaces.js';
import type { OciMount, OciResources, OciSpec } from './oci-spec.js';
import { isBelow } from './paths.js';
import type { Step } from './steps.js';

/** Type bits of a mode (inode(7)). */
const TYPE_BITS = { c: 0o020000, b: 0o060000, p: 0o010000 } as const;

/** The mounts of a spec, in their order, and what has to become read-only once all is in place. */
export function mountSteps(
  spec: OciSpec,
  id: string,
  host: HostFacts,
): { steps: Step[]; readonly: string[] } {
  const steps: Step[] = [];
  const readonly: string[] = [];
  for (const mount of spec.mounts) {
    const options = parseMountOptions(mount.options);
    if (mount.type === 'cgroup') {
      const cgroup = cgroupMount(
        mount,
        options.attributes,
        { id, resources: spec.linux.resources ?? {} },
        host.cgroup,
      );
      steps.push(...cgroup.steps);
      readonly.push(...cgroup.readonly);
    } else if (options.bind || mount.type === 'bind') {
      steps.push(bindStep(mount));
    } else {
      // Nodes and links have to be made in /dev before nobody may write there.
      const later = mount.destination === '/dev' && (options.attributes & MOUNT_ATTR.RDONLY) !== 0;
      if (later) readonly.push(mount.destination);
      const attributes = later ? options.attributes & ~MOUNT_ATTR.RDONLY : options.attributes;
      const type = mount.type ?? 'none';
      steps.push([
        'mount',
        type,
        mount.source ?? type,
        mount.destination,
        attributes,
        options.data.join(','),
      ]);
    }
  }
  return { steps, readonly };
}

/** The step of a bind mount of a runtime spec. */
export function bindStep(mount: OciMount): Step {
  const { attributes, recursive, recursiveAttributes, propagation } = parseMountOptions(mount.options);
  const flags = (recursive ? BIND.RECURSIVE : 0) | (recursiveAttributes ? BIND.RECURSIVE_ATTRIBUTES : 0);
  return ['bind', mount.source ?? '', mount.destination, attributes, flags, propagation];
}

function cgroupMount(
  { destination }: OciMount,
  attributes: number,
  container: { id: string; resources: OciResources },
  cgroup: CgroupFacts,
): { steps: Step[]; readonly: string[] } {
  if (cgroup.version === 0) return { steps: [], readonly: [] };
  if (cgroup.version === 2) {
    return { steps: [['mount', 'cgroup2', 'cgroup', destination, attributes, '']], readonly: [] };
  }
  const open = attributes & ~MOUNT_ATTR.RDONLY;
  const steps: Step[] = [['mount', 'tmpfs', 'tmpfs', destination, open, 'mode=755,size=64k']];
  for (const [hierarchy, controllers] of v1Hierarchies(container, cgroup)) {
    steps.push([
      'mount',
      'cgroup',
      'cgroup',
      `${destination}/${hierarchy}`,
      attributes,
      controllers.join(','),
    ]);
    if (!hierarchy.includes(',')) continue;
    for (const name of controllers) steps.push(['symlink', hierarchy, `${destination}/${name}`]);
  }
  return { steps, readonly: open === attributes ? [] : [destination] };
}

/** The hierarchies in which the container has a cgroup of its own, by the name of their mount, with all controllers. */
function v1Hierarchies(
  { id, resources }: { id: string; resources: OciResources },
  cgroup: Extract<CgroupFacts, { version: 1 }>,
): Map<string, string[]> {
  const own = new Set(v1Directories(id, resources, cgroup).values());
  const hierarchies = new Map<string, string[]>();
  for (const [controller, parent] of Object.entries(cgroup.parents)) {
    if (!own.has(`${parent}/${id}`)) continue;
    const name = /^\/sys\/fs\/cgroup\/([^/]+)/.exec(parent)?.[1] ?? controller;
    hierarchies.set(name, [...(hierarchies.get(name) ?? []), controller]);
  }
  return hierarchies;
}

/** Nodes and links of /dev. A /dev that the user mounted is left as it is. */
export function deviceSteps(spec: OciSpec, host: HostFacts): Step[] {
  const dev = spec.mounts.find((mount) => mount.destination === '/dev');
  if (dev?.type !== 'tmpfs') return [];
  const taken = new Set(spec.mounts.map((mount) => mount.destination));
  const userNamespace = hasOwn(spec.linux.namespaces, 'user');
  const steps: Step[] = [];
  for (const [name, major, minor] of STANDARD_NODES) {
    const path = `/dev/${name}`;
    if (taken.has(path)) continue;
    if (userNamespace) steps.push(bindStep(nodeBind(path, path)));
    else steps.push(['mknod', path, TYPE_BITS.c | 0o666, major, minor, 0, 0]);
  }
  for (const device of spec.linux.devices ?? []) {
    const mode = TYPE_BITS[device.type] | (device.fileMode ?? 0o666);
    steps.push(['mknod', device.path, mode, device.major, device.minor, device.uid ?? 0, device.gid ?? 0]);
  }
  for (const [name, target] of STANDARD_LINKS) {
    if (name === 'core' && !host.kcore) continue;
    const path = `/dev/${name}`;
    if (!taken.has(path) && ![...taken].some((mount) => isBelow(mount, path)))
      steps.push(['symlink', target, path]);
  }
  return steps;
}
