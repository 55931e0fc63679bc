import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { VainaError } from '../errors.js';
import type { GzipReader, Native } from './types.js';

export type { GzipReader, Native, SeccompProgram } from './types.js';

interface Addon extends Native {
  /** Copies the monitor's program into a sealed memfd, once per process. */
  setMonitor(path: string): void;
  /** Missing where the addon was built without ISA-L. */
  GzipReader?: new () => GzipReader;
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

/** A reader of gzip that is faster than Node's streams; undefined where the addon was built without one. */
export function gzipReader(): GzipReader | undefined {
  const { GzipReader: Reader } = loadAddon(() => undefined);
  return Reader && new Reader();
}

function load(): Native {
  return loadAddon((addon) => addon.setMonitor(join(BUILD, 'monitor')));
}

function loadAddon(prepare: (addon: Addon) => void): Addon {
  const path = join(BUILD, 'addon.node');
  const hint =
    'build the native part with `npm rebuild vaina`; it needs a C++ compiler, Python 3 and libseccomp-dev';
  if (!existsSync(path)) {
    throw new VainaError('ERR_HOST_UNSUPPORTED', `the addon ${path} does not exist`, { path, hint });
  }
  try {
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- an addon has no other way in
    const addon = require(path) as Addon;
    prepare(addon);
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
