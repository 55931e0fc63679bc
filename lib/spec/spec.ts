import { compileDevices, parseDevice } from './devices.js';
import type { CgroupFacts, ContainerFacts, ContainerPaths, HostFacts } from './facts.js';
import { compileMasks } from './masks.js';
import { compileMounts } from './mounts.js';
import { compileNamespaces } from './namespaces.js';
import type { OciIdMapping, OciMount, OciSpec } from './oci-spec.js';
import type { ContainerOptions } from './options.js';
import { compileProcess } from './process.js';
import { compileResources } from './resources.js';
import { compileSeccompSection } from './seccomp.js';
import { parseSecurityOpt } from './security-opt.js';
import { checkSysctls } from './sysctls.js';

/** The version of the runtime specification that {@link compileSpec} writes. */
export const OCI_VERSION = '1.2.0';

/** Lets every process of the container's root group send ICMP echo requests without a capability. */
const PING = { 'net.ipv4.ping_group_range': '0 0' };

/**
 * Compiles what was asked for to an OCI runtime spec. Pure: equal input, equal output.
 *
 * @param options - checked by {@link validateContainerOptions}
 * @param facts - what the options and the image name, looked up
 * @param host - what there is to build on
 * @param paths - where the container lives
 * @throws VainaError with the code of the option that cannot be honoured here
 */
export function compileSpec(
  options: ContainerOptions,
  facts: ContainerFacts,
  host: HostFacts,
  paths: ContainerPaths,
): OciSpec {
  const rootless = host.rootless !== undefined;
  const privileged = options.privileged === true;
  const network = options.network ?? 'none';
  const security = parseSecurityOpt(options.securityOpt);
  const hostname = options.hostname ?? facts.id.slice(0, 12);
  const process = compileProcess(options, facts, host, hostname);
  const devices = compileDevices((options.devices ?? []).map(parseDevice), privileged, facts, rootless);
  const mounts = compileMounts({ options, security, facts, host, paths, devices });
  const masks = compileMasks(security, privileged, host.onlineCpus);
  // The kernel lets nobody but the host's root read these; bound with the host's /sys they would show the host's.
  if (rootless && network === 'host' && !privileged) masks.maskedPaths.push('/sys/kernel');
  const seccomp = compileSeccompSection(
    security,
    privileged,
    process.capabilities.bounding,
    host,
    facts.seccompProfile,
  );
  checkSysctls(options.sysctls ?? {}, network === 'host');
  const cgroupsPath = cgroupsPathOf(facts.id, host.cgroup);
  return {
    ociVersion: OCI_VERSION,
    process,
    root: {
      path: paths.lower.length > 0 ? paths.staging : (paths.rootfs ?? paths.staging),
      readonly: options.readOnly === true,
    },
    hostname,
    mounts,
    ...(options.annotations ? { annotations: { ...options.annotations } } : {}),
    linux: {
      namespaces: compileNamespaces(network, rootless),
      ...mappings(host),
      ...(devices.nodes.length > 0 ? { devices: devices.nodes } : {}),
      ...(cgroupsPath === undefined ? {} : { cgroupsPath }),
      resources: compileResources(options, host, devices.rules),
      ...(wantsPropagation(mounts) ? { rootfsPropagation: 'slave' } : {}),
      ...(seccomp ? { seccomp } : {}),
      sysctl: { ...(network === 'host' ? {} : PING), ...options.sysctls },
      ...masks,
    },
  };
}

function mappings(host: HostFacts): { uidMappings?: OciIdMapping[]; gidMappings?: OciIdMapping[] } {
  if (!host.rootless) return {};
  const convert = (map: NonNullable<HostFacts['rootless']>['uidMap']): OciIdMapping[] =>
    map.map(({ containerId, hostId, size }) => ({ containerID: containerId, hostID: hostId, size }));
  return { uidMappings: convert(host.rootless.uidMap), gidMappings: convert(host.rootless.gidMap) };
}

/** As an external runtime wants it: below the mount point of each hierarchy. */
function cgroupsPathOf(id: string, cgroup: CgroupFacts): string | undefined {
  if (cgroup.version === 0) return undefined;
  const parent = cgroup.version === 2 ? cgroup.parent : Object.values(cgroup.parents)[0];
  if (parent === undefined) return undefined;
  const below = cgroup.version === 2 ? /^\/sys\/fs\/cgroup(\/.*)$/ : /^\/sys\/fs\/cgroup\/[^/]+(\/.*)$/;
  return `${below.exec(parent)?.[1] ?? ''}/${id}`;
}

/** Mounts of the host that come later reach a slave only when the root was one before. */
function wantsPropagation(mounts: readonly OciMount[]): boolean {
  return mounts.some((mount) => mount.options?.some((option) => option === 'slave' || option === 'rslave'));
}
