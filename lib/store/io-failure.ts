import { VainaError } from '../errors.js';

/** Turns an error of a system call on the store into one of the engine; one of the engine stays as it is. */
export function ioFailure(error: unknown, path: string): unknown {
  if (VainaError.is(error)) return error;
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (typeof code !== 'string' || !/^E[A-Z0-9]+$/.test(code)) return error;
  const details = { path, errno: code, ...(syscall === undefined ? {} : { syscall }), cause: error };
  const what = `${syscall ?? 'access'} ${path}: ${code}`;
  if (code === 'ENOSPC' || code === 'EDQUOT') return new VainaError('ERR_NO_SPACE', what, details);
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS')
    return new VainaError('ERR_PERMISSION', what, details);
  return new VainaError('ERR_IO', what, details);
}
