import { getSystemErrorName } from 'node:util';
import { VainaError, type ErrorCode } from '../errors.js';
import type { Failed } from '../native/messages.js';
import type { Plan } from '../spec/steps.js';

/** What clone(2) says where namespaces are switched off, or their number is limited. */
const NO_NAMESPACES = ['EPERM', 'EACCES', 'ENOSPC', 'EUSERS'];

/** A failed step as an error that names the step, the path, and the likely cause. */
export function startFailure(failed: Failed, plan: Plan, name: string, op = 'container.start'): VainaError {
  const step = failed.step === undefined ? undefined : plan[failed.step];
  const errno = failed.errno === 0 ? undefined : getSystemErrorName(-failed.errno);
  const code: ErrorCode =
    errno === 'ESRCH' && (step === undefined || step[0] === 'join')
      ? 'ERR_INVALID_STATE'
      : failed.exitCode === 127
        ? 'ERR_COMMAND_NOT_FOUND'
        : failed.exitCode === 126
          ? 'ERR_COMMAND_NOT_EXECUTABLE'
          : step?.[0] === 'clone' && NO_NAMESPACES.includes(errno ?? '')
            ? 'ERR_HOST_UNSUPPORTED'
            : errno === 'ENOSPC' || errno === 'EDQUOT'
              ? 'ERR_NO_SPACE'
              : 'ERR_STEP_FAILED';
  const hint = hintFor(step?.[0], errno);
  const where = step && code === 'ERR_STEP_FAILED' ? `step ${failed.step} (${step[0]}): ` : '';
  return new VainaError(code, `container ${name}: ${where}${failed.text}`, {
    op,
    subject: name,
    ...(step ? { syscall: step[0] } : {}),
    ...(errno === undefined ? {} : { errno }),
    ...(hint === undefined ? {} : { hint }),
  });
}

/** The likely cause of a failed step. */
function hintFor(step: string | undefined, errno: string | undefined): string | undefined {
  switch (`${step} ${errno}`) {
    case 'clone EPERM':
    case 'clone EACCES':
    case 'clone EUSERS':
      return 'unprivileged user namespaces may be switched off: see kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns and user.max_user_namespaces';
    case 'clone ENOSPC':
      return 'a limit of namespaces is reached, or it is 0: see the files in /proc/sys/user';
    case 'uid-map EPERM':
    case 'gid-map EPERM':
      return 'the ranges in /etc/subuid and /etc/subgid must belong to the user, and newuidmap must be set-uid or have its capability';
    case 'overlay EINVAL':
    case 'overlay EPERM':
      return 'the file system of the store must support overlay upper directories (and, for an ordinary user, the kernel must be 5.11 or newer)';
    case 'mount EPERM':
      return 'the engine itself may be in a container that forbids mounts or hides parts of /proc or /sys';
    case 'rlimit EPERM':
      return 'raising a hard limit takes CAP_SYS_RESOURCE';
    case 'cgroup-write EACCES':
    case 'cgroup-dir EACCES':
      return 'the cgroup is not delegated to this user';
    default:
      return undefined;
  }
}
