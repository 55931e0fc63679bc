import { getSystemErrorName } from 'node:util';
import { type ErrorCode, VainaError } from '../errors.js';
import { REQUEST } from './frames.js';
import { quote } from '../util/text.js';

/** What an archive can bring about by what it says. */
const ARCHIVE_FAULTS = new Set([
  'ENOENT',
  'ENOTDIR',
  'EISDIR',
  'ELOOP',
  'EEXIST',
  'ENAMETOOLONG',
  'EFBIG',
  'EMLINK',
  'EINVAL',
]);
const CODES: Readonly<Record<string, ErrorCode>> = {
  ENOSPC: 'ERR_NO_SPACE',
  EDQUOT: 'ERR_NO_SPACE',
  EPERM: 'ERR_PERMISSION',
  EACCES: 'ERR_PERMISSION',
  EROFS: 'ERR_PERMISSION',
  EPROTO: 'ERR_INTERNAL',
};

/** The error that a failed reply of the storage worker tells: errno, the system call, the path. */
export function workerFailure(request: number, body: Buffer): VainaError {
  const number = body.readInt32LE(0);
  const whatEnd = body.indexOf(0, 4);
  const what = body.toString('latin1', 4, whatEnd);
  const path = body.toString('utf8', whatEnd + 1, body.indexOf(0, whatEnd + 1));
  const errno = getSystemErrorName(-number);
  const details = { errno, syscall: what, path };
  const unpacking = request >= REQUEST.entry && request <= REQUEST.times;
  if (unpacking && what === 'whiteout device') {
    return new VainaError(
      'ERR_INVALID_LAYER',
      `the layer archive was refused: ${quote(path)} is the device of a whiteout`,
      details,
    );
  }
  if (unpacking && what === 'chown' && errno === 'EINVAL') {
    return new VainaError(
      'ERR_HOST_UNSUPPORTED',
      `the owner of ${quote(path)} has no id in the user namespace`,
      {
        ...details,
        hint: 'give the user a larger range in /etc/subuid and /etc/subgid (65536 ids are usual)',
      },
    );
  }
  if (unpacking && ARCHIVE_FAULTS.has(errno)) {
    return new VainaError(
      'ERR_INVALID_LAYER',
      `the layer archive was refused: ${what} ${quote(path)}: ${errno}`,
      details,
    );
  }
  return new VainaError(CODES[errno] ?? 'ERR_IO', `${what} ${quote(path)}: ${errno}`, details);
}
