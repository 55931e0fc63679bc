import { flag, type Flag } from '../flags.js';
import { transferFlags, type TransferGiven } from '../transfer.js';

/** The flags of `run` and `create`, as they were given. */
export interface CreateGiven extends TransferGiven {
  annotation?: string[];
  attach?: string[];
  capAdd?: string[];
  capDrop?: string[];
  cidfile?: string;
  cpuShares?: number;
  cpus?: number;
  cpusetCpus?: string;
  device?: string[];
  entrypoint?: string;
  env?: string[];
  envFile?: string[];
  groupAdd?: string[];
  hostname?: string;
  init?: boolean;
  interactive?: boolean;
  label?: string[];
  labelFile?: string[];
  logDriver?: string;
  logOpt?: string[];
  memory?: string;
  memoryReservation?: string;
  memorySwap?: string;
  name?: string;
  network?: string;
  oomScoreAdj?: number;
  pidsLimit?: number;
  privileged?: boolean;
  pull?: string;
  readOnly?: boolean;
  readOnlyTmpfs?: boolean;
  replace?: boolean;
  rm?: boolean;
  rootfs?: boolean;
  securityOpt?: string[];
  shmSize?: string;
  stopSignal?: string;
  stopTimeout?: number;
  sysctl?: string[];
  tmpfs?: string[];
  tty?: boolean;
  ulimit?: string[];
  umask?: string;
  user?: string;
  volume?: string[];
  workdir?: string;
}

const SIZE = '<number>[<unit>]';

/** The flags of `run` and `create`. */
export function createFlags(): Flag[] {
  return [
    flag('--annotation <key=value>', 'Add annotations to container (key=value)', 'list'),
    flag('-a, --attach <strings>', 'Attach to STDIN, STDOUT or STDERR', 'slice'),
    flag('--cap-add <strings>', 'Add capabilities to the container', 'slice'),
    flag('--cap-drop <strings>', 'Drop capabilities from the container', 'slice'),
    flag('--cidfile <string>', 'Write the container ID to the file', 'string'),
    flag('-c, --cpu-shares <uint>', 'CPU shares (relative weight)', 'uint'),
    flag('--cpus <float>', 'Number of CPUs. The default is 0.000 which means no limit', 'float'),
    flag('--cpuset-cpus <string>', 'CPUs in which to allow execution (0-3, 0,1)', 'string'),
    flag('--device <strings>', 'Add a host device to the container', 'slice'),
    flag('--entrypoint <string>', 'Overwrite the default ENTRYPOINT of the image', 'string'),
    flag('-e, --env <stringArray>', 'Set environment variables in container', 'list'),
    flag('--env-file <strings>', 'Read in a file of environment variables', 'slice'),
    flag('--group-add <strings>', 'Add additional groups to the primary container process', 'slice'),
    flag('-h, --hostname <string>', 'Set container hostname', 'string'),
    flag('--init', 'Run an init binary inside the container that forwards signals and reaps processes'),
    flag('-i, --interactive', 'Keep STDIN open even if not attached'),
    flag('-l, --label <stringArray>', 'Set metadata on container', 'list'),
    flag('--label-file <strings>', 'Read in a line delimited file of labels', 'slice'),
    flag(
      '--log-driver <string>',
      'Logging driver for the container (k8s-file, none) (default "k8s-file")',
      'string',
    ),
    flag('--log-opt <strings>', 'Logging driver options (max-size=SIZE)', 'slice'),
    flag(`-m, --memory <size>`, `Memory limit (format: ${SIZE}, where unit = b, k, m, or g)`, 'string'),
    flag('--memory-reservation <size>', `Memory soft limit (format: ${SIZE})`, 'string'),
    flag(
      '--memory-swap <string>',
      "Swap limit equal to memory plus swap: '-1' to enable unlimited swap",
      'string',
    ),
    flag('--name <string>', 'Assign a name to the container', 'string'),
    flag('--network <string>', 'Connect a container to a network (none, host) (default "none")', 'string'),
    flag('--oom-score-adj <int>', "Tune the host's OOM preferences (-1000 to 1000)", 'int'),
    flag('--pids-limit <int>', 'Tune container pids limit (set -1 for unlimited) (default 2048)', 'int'),
    flag('--privileged', 'Give extended privileges to container'),
    flag(
      '--pull <string>',
      'Pull image policy (always, missing, never, newer) (default "missing")',
      'string',
    ),
    flag('--read-only', 'Make containers root filesystem read-only'),
    flag(
      '--read-only-tmpfs',
      'When running containers in read-only mode mount a read-write tmpfs on /run, /tmp and /var/tmp (default true)',
    ),
    flag('--replace', 'If a container with the same name exists, replace it'),
    flag('--rm', 'Remove container after exit'),
    flag('--rootfs', 'The first argument is not an image but the rootfs to the exploded container'),
    flag('--security-opt <stringArray>', 'Security Options', 'list'),
    flag('--shm-size <size>', `Size of /dev/shm (format: ${SIZE}) (default "65536k")`, 'string'),
    flag('--stop-signal <string>', 'Signal to stop a container. Default is SIGTERM', 'string'),
    flag(
      '--stop-timeout <uint>',
      'Seconds that a container has to stop before it is killed (default 10)',
      'uint',
    ),
    flag('--sysctl <strings>', 'Sysctl options', 'slice'),
    flag('--tmpfs <tmpfs>', 'Mount a temporary filesystem (tmpfs) into a container', 'list'),
    flag('-t, --tty', 'Allocate a pseudo-TTY for container'),
    flag('--ulimit <strings>', 'Ulimit options', 'slice'),
    flag('--umask <string>', 'Set umask in container (default "0022")', 'string'),
    flag('-u, --user <string>', 'Username or UID (format: <name|uid>[:<group|gid>])', 'string'),
    flag('-v, --volume <stringArray>', 'Bind mount a volume into the container', 'list'),
    flag('-w, --workdir <string>', 'Working directory inside the container', 'string'),
    ...transferFlags(),
  ];
}
