import { accessSync, constants, readFileSync, statfsSync } from 'node:fs';
import type { HostFacts } from '../spec/facts.js';
import type { Context } from './context.js';
import { DELEGATE } from '../spec/resources.js';
import { findProgram } from './subids.js';

/** One thing that the engine needs or would like, and whether the host has it. */
export interface Finding {
  /** What was looked at. */
  name: string;
  /** `missing`: containers cannot run; `degraded`: they run, but something does not work. */
  status: 'ok' | 'degraded' | 'missing';
  /** What was found. */
  detail: string;
  /** What would mend it. */
  fix?: string;
}

/** What {@link Engine.doctor} found. */
export interface DoctorReport {
  /** Whether containers can run. */
  ok: boolean;
  /** All that was looked at, what is in order included. */
  findings: Finding[];
}

/** Looks at everything the engine needs of the host. Changes nothing. */
export function examine(context: Context): DoctorReport {
  const { host } = context;
  const findings = [
    kernel(host),
    ...(host.rootless ? [userNamespaces(), ids(host)] : [capabilities(host)]),
    cgroups(host),
    overlay(),
    seccomp(),
    storeFileSystem(context),
  ];
  return { ok: findings.every((finding) => finding.status !== 'missing'), findings };
}

function kernel(host: HostFacts): Finding {
  const [major, minor] = host.kernel;
  const detail = `Linux ${major}.${minor}`;
  if (major > 5 || (major === 5 && minor >= 14)) return { name: 'kernel', status: 'ok', detail };
  return { name: 'kernel', status: 'missing', detail, fix: 'use Linux 5.14 or later' };
}

function userNamespaces(): Finding {
  const name = 'user namespaces';
  const most = number('/proc/sys/user/max_user_namespaces');
  if (most === 0) {
    return {
      name,
      status: 'missing',
      detail: 'none allowed',
      fix: 'sysctl -w user.max_user_namespaces=15000',
    };
  }
  if (number('/proc/sys/kernel/unprivileged_userns_clone') === 0) {
    return {
      name,
      status: 'missing',
      detail: 'not for ordinary users',
      fix: 'sysctl -w kernel.unprivileged_userns_clone=1',
    };
  }
  if (number('/proc/sys/kernel/apparmor_restrict_unprivileged_userns') === 1) {
    return {
      name,
      status: 'degraded',
      detail: 'restricted by AppArmor',
      fix: 'sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or a profile for the program',
    };
  }
  return { name, status: 'ok', detail: `${most ?? 'unlimited'} allowed` };
}

function ids(host: HostFacts): Finding {
  const size = host.rootless?.uidMap.reduce((sum, range) => sum + range.size, 0) ?? 0;
  if (size > 1) return { name: 'user ids', status: 'ok', detail: `${size} ids` };
  const helper = findProgram('newuidmap');
  return {
    name: 'user ids',
    status: 'degraded',
    detail: 'one id: everything in a container belongs to its root',
    fix: helper
      ? 'give the user a range: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER'
      : 'install newuidmap (Debian: apt-get install uidmap)',
  };
}

function capabilities(host: HostFacts): Finding {
  const admin = (host.capabilities >> 21n) & 1n;
  if (admin === 1n) return { name: 'capabilities', status: 'ok', detail: 'CAP_SYS_ADMIN' };
  return {
    name: 'capabilities',
    status: 'missing',
    detail: 'root without CAP_SYS_ADMIN',
    fix: 'run as an ordinary user with user namespaces, or with more capabilities',
  };
}

function cgroups({ cgroup, rootless }: HostFacts): Finding {
  if (cgroup.version === 0) {
    return {
      name: 'cgroups',
      status: 'degraded',
      detail: `no limits: ${cgroup.reason}`,
      fix: cgroup.hint,
    };
  }
  const detail = `v${cgroup.version}: ${cgroup.controllers.join(' ')}`;
  const missing = ['memory', 'pids', 'cpu', 'cpuset'].filter((name) => !cgroup.controllers.includes(name));
  if (missing.length === 0) return { name: 'cgroups', status: 'ok', detail };
  return {
    name: 'cgroups',
    status: 'degraded',
    detail: `${detail}; no limits by ${missing.join(', ')}`,
    ...(rootless ? { fix: DELEGATE } : {}),
  };
}

function overlay(): Finding {
  const known = /\boverlay$/m.test(readFileSync('/proc/filesystems', 'utf8'));
  if (known) return { name: 'overlay', status: 'ok', detail: 'known to the kernel' };
  return {
    name: 'overlay',
    status: 'degraded',
    detail: 'not loaded yet, or missing',
    fix: 'modprobe overlay',
  };
}

function seccomp(): Finding {
  const known = /^Seccomp:/m.test(readFileSync('/proc/self/status', 'utf8'));
  if (known) return { name: 'seccomp', status: 'ok', detail: 'filters' };
  return {
    name: 'seccomp',
    status: 'missing',
    detail: 'not in this kernel',
    fix: 'use a kernel with CONFIG_SECCOMP_FILTER',
  };
}

function storeFileSystem(context: Context): Finding {
  const name = 'store';
  try {
    accessSync(context.root, constants.W_OK);
    const { bavail, bsize } = statfsSync(context.root);
    return {
      name,
      status: 'ok',
      detail: `${context.root}, ${Math.round((bavail * bsize) / 1024 ** 2)} MiB free`,
    };
  } catch (error) {
    return { name, status: 'missing', detail: (error as Error).message };
  }
}

function number(path: string): number | undefined {
  try {
    return Number(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}
