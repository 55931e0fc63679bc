import type { Readable } from 'node:stream';
import { hostPlatform, parsePlatformName } from '../oci/platform.js';
import { rootfsSource } from '../oci/rootfs-source.js';
import type { Platform, TransferOptions } from '../oci/types.js';
import type { ImageRow } from '../store/images.js';
import { checkOptions } from './check-options.js';
import type { Context } from './context.js';
import { publishImage } from './events.js';
import { localName } from './image-names.js';
import { isUrl, openUrl } from './open-url.js';
import { takeImage } from './take-image.js';

/** Options of an import. */
export interface ImportOptions extends TransferOptions {
  /** The name that the image gets. Default: none. */
  reference?: string;
  /** Changes of the configuration in the syntax of a Containerfile, e.g. `CMD ["sh"]`, `ENV A=b`, `USER daemon`. */
  changes?: readonly string[];
  /** Comment in the image's history. */
  message?: string;
  /** Operating system of the image. Default `linux`. */
  os?: string;
  /** Architecture of the image, in Go's words. Default: this host's. */
  arch?: string;
  /** Variant of the architecture, as in `v8`. Default: none. */
  variant?: string;
}

/** Makes an image of one layer from the tar of a root file system: a path, a URL, or the bytes. No trust policy is asked. */
export async function importImage(
  context: Context,
  source: string | Readable,
  options: ImportOptions = {},
): Promise<ImageRow> {
  checkOptions('import', options);
  const { reference, changes, message, os, arch, variant, signal, onProgress } = options;
  const name = reference === undefined ? undefined : localName(reference);
  const described = {
    ...(changes !== undefined && { changes }),
    ...(message !== undefined && { message }),
    ...((os ?? arch ?? variant) !== undefined && { platform: platformOf(os, arch, variant) }),
  };
  // Malformed changes are refused before anything is fetched.
  rootfsSource('', described);
  const input = typeof source === 'string' && isUrl(source) ? await openUrl(source, signal) : source;
  const rootfs = rootfsSource(input, described);
  try {
    const row = await takeImage(context, rootfs, name === undefined ? [] : [name], {
      ...(signal && { signal }),
      ...(onProgress && { onProgress }),
    });
    publishImage('import', row.id, { name });
    return row;
  } finally {
    await rootfs.close();
  }
}

function platformOf(os = 'linux', architecture = hostPlatform().architecture, variant?: string): Platform {
  return parsePlatformName([os, architecture, ...(variant === undefined ? [] : [variant])].join('/'));
}
