import { VainaError } from '../errors.js';
import { allCapabilities, capabilitySets } from './capabilities.js';
import { compileCommand } from './command.js';
import { compileEnvironment } from './environment.js';
import type { ContainerFacts, HostFacts, IdMapping } from './facts.js';
import type { OciProcess, OciUser } from './oci-spec.js';
import type { ContainerOptions } from './options.js';
import { cleanPath } from './paths.js';
import { compileRlimits } from './rlimits.js';
import { parseSecurityOpt } from './security-opt.js';
import { type ResolvedUser, resolveGroup, resolveUser } from './user.js';

/** The `process` of a runtime spec. */
export function compileProcess(
  options: ContainerOptions,
  facts: ContainerFacts,
  host: HostFacts,
  hostname: string,
): OciProcess {
  const user = resolveUser(options.user || facts.image?.User, facts.passwd, facts.group);
  const tty = options.tty === true;
  const security = parseSecurityOpt(options.securityOpt);
  return {
    ...(tty ? { terminal: true } : {}),
    user: compileUser(user, options, facts.group, host),
    args: compileCommand(options, facts.image),
    env: compileEnvironment({
      image: facts.image?.Env,
      options: options.env,
      hostname,
      home: user.home,
    }),
    cwd: workdirOf(options, facts),
    capabilities: capabilitySets(user.uid, options, availableCapabilities(host)),
    rlimits: compileRlimits(options.ulimits, host),
    noNewPrivileges: security.noNewPrivileges,
    ...(options.oomScoreAdj === undefined ? {} : { oomScoreAdj: options.oomScoreAdj }),
  };
}

/** What the process can be given: in a user namespace of its own all there is, else what the engine has. */
export function availableCapabilities(host: HostFacts): bigint {
  const all = allCapabilities(host.lastCapability);
  return host.rootless ? all : host.capabilities & all;
}

/** The working directory: the options', else the image's, else `/`. */
function workdirOf(options: ContainerOptions, facts: ContainerFacts): string {
  const path = options.workdir ?? (facts.image?.WorkingDir || '/');
  if (!path.startsWith('/') || path.includes('\0')) {
    throw new VainaError(
      'ERR_INVALID_IMAGE',
      `config.WorkingDir of the image is ${JSON.stringify(path)}, no absolute path`,
    );
  }
  return cleanPath(path);
}

function compileUser(
  user: ResolvedUser,
  options: ContainerOptions,
  groupFile: string | undefined,
  host: HostFacts,
): OciUser {
  const asked = (options.groupAdd ?? []).map((name) => resolveGroup(name, groupFile));
  const additional = supplementaryGroups(user, asked, host);
  return {
    uid: user.uid,
    gid: user.gid,
    umask: Number.parseInt(options.umask ?? '0022', 8),
    ...(additional.length > 0 ? { additionalGids: additional } : {}),
  };
}

/**
 * Supplementary groups as far as the user namespace has them: those of the group file that it has not are left out, for
 * the image cannot know the maps of every host; those that were asked for must be there.
 *
 * @throws ERR_HOST_UNSUPPORTED when an id is not mapped
 */
export function supplementaryGroups(user: ResolvedUser, asked: readonly number[], host: HostFacts): number[] {
  const maps = host.rootless;
  if (!maps) return [...new Set([...user.groups, ...asked])];
  if (!isMapped(user.uid, maps.uidMap)) throw unmapped('uid', user.uid);
  if (!isMapped(user.gid, maps.gidMap)) throw unmapped('gid', user.gid);
  for (const gid of asked) if (!isMapped(gid, maps.gidMap)) throw unmapped('gid', gid);
  // With a single id the kernel forbids setgroups(2) altogether.
  if (maps.gidHelper === undefined) {
    const refused = asked.find((gid) => gid !== user.gid);
    if (refused !== undefined) throw unmapped('gid', refused);
    return [];
  }
  return [...new Set([...user.groups.filter((gid) => isMapped(gid, maps.gidMap)), ...asked])];
}

function isMapped(id: number, map: readonly IdMapping[]): boolean {
  return map.some(({ containerId, size }) => id >= containerId && id < containerId + size);
}

function unmapped(kind: string, id: number): VainaError {
  return new VainaError(
    'ERR_HOST_UNSUPPORTED',
    `${kind} ${id} does not exist in the user namespace of the container`,
    {
      subject: String(id),
      hint: 'give the user a range in /etc/subuid and /etc/subgid that reaches this far, and install newuidmap and newgidmap',
    },
  );
}
