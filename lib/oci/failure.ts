import { VainaError, type ErrorCode } from '../errors.js';

const CODES: Readonly<Record<string, ErrorCode>> = {
  ENOENT: 'ERR_NO_SUCH_PATH',
  ENOTDIR: 'ERR_NO_SUCH_PATH',
  EACCES: 'ERR_PERMISSION',
  EPERM: 'ERR_PERMISSION',
  ENOSPC: 'ERR_NO_SPACE',
  EDQUOT: 'ERR_NO_SPACE',
};

/** Turns an error of the file system into one of the engine; one of the engine stays as it is. */
export function fileFailure(error: unknown, path: string): VainaError {
  if (VainaError.is(error)) return error;
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (code === undefined || !/^E[A-Z0-9]+$/.test(code)) {
    return new VainaError('ERR_IO', `${path}: ${String((error as Error).message)}`, { path, cause: error });
  }
  return new VainaError(CODES[code] ?? 'ERR_IO', `${path}: ${syscall ?? 'open'}: ${code}`, {
    path,
    errno: code,
    ...(syscall !== undefined && { syscall }),
    cause: error,
  });
}
