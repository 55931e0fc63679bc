const CODES = {
  ERR_INVALID_OPTION: 'an option is unknown, malformed, or contradicts another one',
  ERR_INVALID_REFERENCE: 'an image reference does not follow the reference grammar',
  ERR_INVALID_NAME: 'a name is not one that an object of the engine may have',
  ERR_UNSUPPORTED: 'the engine cannot do this (yet)',
  ERR_NO_SUCH_IMAGE: 'no image of the store has this name or id',
  ERR_NO_SUCH_CONTAINER: 'no container of the store has this name or id',
  ERR_NO_SUCH_EXEC: 'the exec session is not, or no longer, known to the container',
  ERR_AMBIGUOUS_ID: 'more than one object has an id that starts like this',
  ERR_NAME_IN_USE: 'another object has this name',
  ERR_IN_USE: 'the object is needed by another one',
  ERR_INVALID_STATE: 'the state of the container does not allow this verb',
  ERR_NO_SUCH_PATH: 'a path that was named does not exist',
  ERR_NO_SUCH_USER: 'the user or group is not in the passwd or group file of the container',
  ERR_COMMAND_NOT_FOUND: 'the command does not exist in the container',
  ERR_COMMAND_NOT_EXECUTABLE: 'the command exists in the container but cannot be executed',
  ERR_STEP_FAILED: 'a step of the launch plan failed',
  ERR_MONITOR_LOST: 'the monitor of the container ended without leaving an exit record',
  ERR_CGROUP_NOT_DELEGATED:
    'a limit was asked for, but no cgroup with this controller is delegated to the user',
  ERR_HOST_UNSUPPORTED: 'the kernel or the host lacks something that the engine needs',
  ERR_NO_SPACE: 'the file system of the store is full',
  ERR_PERMISSION: 'the operating system refused an operation',
  ERR_IO: 'a system call on a file of the store failed',
  ERR_STORE_VERSION: 'the store was written by a newer version of the engine',
  ERR_STORE_DAMAGED: 'the store is not as the engine left it',
  ERR_CLOSED: 'the engine was closed',
  ERR_INVALID_IMAGE: 'an image, manifest, configuration or archive is malformed',
  ERR_INVALID_LAYER: 'a layer archive is malformed or was refused as hostile',
  ERR_DIGEST_MISMATCH: 'content does not have the digest or size that was announced',
  ERR_NO_MATCHING_PLATFORM: 'the image has no variant for this platform',
  ERR_INVALID_SIGNATURE: 'a signature is malformed, or is not one by the key that was expected',
  ERR_POLICY_REJECTED: 'the signature policy does not allow the image',
  ERR_REGISTRY: 'the registry answered with an error',
  ERR_REGISTRY_UNREACHABLE: 'the registry could not be reached',
  ERR_UNAUTHORIZED: 'the registry refused the credentials, or wants some',
  ERR_REGISTRY_BLOCKED: 'the configuration of registries forbids the use of this registry',
  ERR_SHORT_NAME:
    'a name without a registry fits none or several, and nobody can be asked which one is meant',
  ERR_TIMEOUT: 'an operation took longer than it was given',
  ERR_COMMAND_FAILED: 'a command in a container ended with a status other than zero',
  ERR_PEER_FAILED: 'another program that was asked to do its part ended with a status other than zero',
  ERR_INTERNAL: 'the engine contradicts itself; please report it',
} as const;

/**
 * A code of {@link ERROR_CODES}.
 * @useDeclaredType
 */
export type ErrorCode = keyof typeof CODES;

/**
 * The stable codes of {@link VainaError}, one sentence each. A code never changes its meaning; new ones may
 * come. `docs/errors.md` is checked against this table by a test.
 */
export const ERROR_CODES: Readonly<Record<ErrorCode, string>> = CODES;

/** What a {@link VainaError} knows beside its message. */
export interface ErrorDetails {
  /** The operation that failed, e.g. `container.start`. */
  op?: string;
  /** The object it failed on: a name, an id, a reference. */
  subject?: string;
  /** The system call that failed. */
  syscall?: string;
  /** The error name of the system call, e.g. `ENOENT`. */
  errno?: string;
  /** The path it failed on. */
  path?: string;
  /** What would make it work. */
  hint?: string;
  /** The error that led to this one. */
  cause?: unknown;
}

const BRAND = Symbol.for('vaina.error');

/** The one error class of the engine. Tell errors apart by {@link VainaError.code}, never by the message. */
export class VainaError extends Error {
  /** Always `VainaError`, whichever copy of the package threw it. */
  override readonly name = 'VainaError';
  /** What went wrong, for programs. */
  readonly code: ErrorCode;
  /** The operation that failed, e.g. `container.start`. */
  readonly op?: string;
  /** The object it failed on: a name, an id, a reference. */
  readonly subject?: string;
  /** The system call that failed. */
  readonly syscall?: string;
  /** The error name of the system call, e.g. `ENOENT`. */
  readonly errno?: string;
  /** The path it failed on. */
  readonly path?: string;
  /** What would make it work. */
  readonly hint?: string;

  /**
   * @param code - one of {@link ERROR_CODES}
   * @param message - one sentence in lower case, with the path or name in it and no full stop
   * @param details - what else is known
   */
  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    const { cause, ...known } = details;
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    Object.assign(this, known);
    Object.defineProperty(this, BRAND, { value: true });
  }

  /** Works across copies of the package and realms, where `instanceof` does not. */
  static is(error: unknown, code?: ErrorCode): error is VainaError {
    if (typeof error !== 'object' || error === null || !(BRAND in error)) return false;
    return code === undefined || (error as unknown as VainaError).code === code;
  }
}
