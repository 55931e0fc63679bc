import { invalid } from './invalid.js';

/** Kernel parameters that belong to the container's IPC namespace. */
const IPC = /^(kernel\.(msgmax|msgmnb|msgmni|sem|shmall|shmmax|shmmni|shm_rmid_forced)|fs\.mqueue\.[a-z_]+)$/;
const NET = /^net\.[a-z0-9_./-]+$/;

/**
 * Checks kernel parameters: only those of a namespace that the container has for itself.
 *
 * @throws ERR_INVALID_OPTION
 */
export function checkSysctls(sysctls: Readonly<Record<string, string>>, hostNetwork: boolean): void {
  for (const [name, value] of Object.entries(sysctls)) {
    const dotted = dottedSysctl(name);
    const net = NET.test(dotted);
    if (
      (!net && !IPC.test(dotted)) ||
      sysctlPath(name)
        .split('/')
        .some((part) => part === '' || part === '..')
    ) {
      throw invalid(
        'sysctls',
        `sysctl ${JSON.stringify(name)} is not one that a container has for itself`,
        'net.*, fs.mqueue.*, kernel.msg*, kernel.sem and kernel.shm* can be set',
      );
    }
    if (net && hostNetwork) {
      throw invalid('sysctls', `sysctl ${name} cannot be set with the network of the host`);
    }
    // The kernel takes the value line by line; anything but printable ASCII and tabs has no meaning there.
    if (!/^[\t\u0020-\u007e]*$/.test(value) || value.includes('+')) {
      throw invalid('sysctls', `sysctl ${name} has the malformed value ${JSON.stringify(value)}`);
    }
  }
}

/** The name as a path below /proc/sys, in the way of sysctl(8): the first separator tells which of `.` and `/` it is. */
export function sysctlPath(name: string): string {
  const separator = /[./]/.exec(name)?.[0];
  return separator === '.' ? swap(name) : name;
}

function dottedSysctl(name: string): string {
  return swap(sysctlPath(name));
}

function swap(name: string): string {
  return name.replace(/[./]/g, (character) => (character === '.' ? '/' : '.'));
}
