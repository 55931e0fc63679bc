import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { VainaError } from '../errors.js';
import type { Native } from './types.js';

export type { Native, SeccompProgram } from './types.js';

interface Addon extends Native {
  /** Copies the monitor's program into a sealed memfd, once per process. */
  setMonitor(path: string): void;
}

// The same from lib/native and from dist/native.
const BUILD = join(__dirname, '..', '..', 'build', 'Release');

let loaded: Native | undefined;

/**
 * The addon, loaded at the first call, and with it a sealed copy of the monitor, which all containers of this process
 * are started from: replacing the files on disk later changes nothing.
 *
 * @throws VainaError `ERR_HOST_UNSUPPORTED` when the addon was not built, or not for this Node.js
 */
export function native(): Native {
  loaded ??= load();
  return loaded;
}

function load(): Native {
  const path = join(BUILD, 'addon.node');
  const hint =
    'build the native part with `npm rebuild vaina`; it needs a C++ compiler, Python 3 and libseccomp-dev';
  if (!existsSync(path)) {
    throw new VainaError('ERR_HOST_UNSUPPORTED', `the addon ${path} does not exist`, { path, hint });
  }
  try {
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- an addon has no other way in
    const addon = require(path) as Addon;
    addon.setMonitor(join(BUILD, 'monitor'));
    return addon;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new VainaError('ERR_HOST_UNSUPPORTED', `the addon cannot be loaded: ${reason}`, {
      path,
      hint,
      cause,
    });
  }
}
