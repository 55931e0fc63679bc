import { invalid, unsupported } from './invalid.js';
import { cleanPath } from './paths.js';

/** What `securityOpt` comes to. */
export interface SecurityOptions {
  /** `unconfined`, or the path of a profile; absent: the default profile. */
  seccomp?: string;
  noNewPrivileges: boolean;
  mask: string[];
  /** Patterns; `ALL` as it is. */
  unmask: string[];
}

/**
 * Parses `seccomp=…`, `no-new-privileges[=true|false]`, `mask=…`, `unmask=…`. `label=disable` and `apparmor=unconfined`
 * ask for what is so anyhow.
 *
 * @throws ERR_INVALID_OPTION; ERR_UNSUPPORTED for labels and AppArmor profiles
 */
export function parseSecurityOpt(entries: readonly string[] = []): SecurityOptions {
  const result: SecurityOptions = { noNewPrivileges: false, mask: [], unmask: [] };
  for (const entry of entries) {
    const match = /^([a-z-]+)(?:[=:](.*))?$/s.exec(entry);
    const [, key, value] = match ?? [];
    if (key === 'no-new-privileges') result.noNewPrivileges = flag(entry, value);
    else if (key === 'seccomp' && value) {
      if (result.seccomp !== undefined)
        throw invalid('securityOpt', 'securityOpt has more than one seccomp profile');
      result.seccomp = value;
    } else if (key === 'mask' && value)
      result.mask.push(...value.split(':').map((path) => absolute(entry, path)));
    else if (key === 'unmask' && value) result.unmask.push(...unmasked(entry, value));
    else if (entry === 'label=disable' || entry === 'apparmor=unconfined') continue;
    else if (key === 'label' || key === 'apparmor' || key === 'proc-opts') {
      throw unsupported('securityOpt', `securityOpt ${JSON.stringify(entry)} is not supported yet`);
    } else {
      throw invalid(
        'securityOpt',
        `securityOpt ${JSON.stringify(entry)} is unknown or malformed`,
        'seccomp=, no-new-privileges, mask= and unmask= are known',
      );
    }
  }
  return result;
}

function flag(entry: string, value: string | undefined): boolean {
  if (value === undefined || value === 'true') return true;
  if (value === 'false') return false;
  throw invalid('securityOpt', `securityOpt ${JSON.stringify(entry)} is neither true nor false`);
}

function unmasked(entry: string, value: string): string[] {
  if (value.toUpperCase() === 'ALL') return ['ALL'];
  return value.split(':').map((path) => absolute(entry, path));
}

function absolute(entry: string, path: string): string {
  if (!path.startsWith('/')) {
    throw invalid('securityOpt', `securityOpt ${JSON.stringify(entry)} has a path that is not absolute`);
  }
  return cleanPath(path);
}
