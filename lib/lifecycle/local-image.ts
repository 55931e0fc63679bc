import { VainaError } from '../errors.js';
import { parsePlatformName, platformRuns } from '../oci/platform.js';
import type { Platform } from '../oci/types.js';
import type { FoundImage } from '../store/images.js';
import { hasTransport } from '../transports/name.js';
import { checkOptions } from './check-options.js';
import type { Context } from './context.js';
import { findImage } from './find-image.js';
import { jobs } from './jobs.js';
import type { PulledImage, PullOptions } from './pull-image.js';

/**
 * The image that a container is made of. One that the store has, and the policy lets do, is found without loading all that
 * pulls; everything else is up to {@link pullImage}.
 */
export async function chooseImage(
  context: Context,
  text: string,
  options: PullOptions,
): Promise<PulledImage> {
  checkOptions('pull', options);
  const { policy, signal } = options;
  signal?.throwIfAborted();
  if ((policy === 'missing' || policy === 'never') && !hasTransport(text)) {
    const local = await localImage(context, text, options);
    if (local) return foundAs(local, text);
  }
  return jobs.pulls.pullImage(context, text, options);
}

/** The image of the store that is meant, if it is there and for the platform that is wanted. */
export async function localImage(
  context: Context,
  text: string,
  { registries, platform }: PullOptions,
): Promise<FoundImage | undefined> {
  try {
    const found = await findImage(context, text, registries);
    const wanted = platformOf(platform);
    return wanted === undefined || platformRuns(found.image.config, wanted) ? found : undefined;
  } catch (error) {
    if (VainaError.is(error, 'ERR_NO_SUCH_IMAGE')) return undefined;
    throw error;
  }
}

/** As if it had been pulled. */
export function foundAs({ image, name }: FoundImage, text: string): PulledImage {
  return { row: image, name: name ?? image.names[0] ?? text };
}

/** The platform that an option means. */
export function platformOf(platform: string | undefined): Platform | undefined {
  return platform === undefined ? undefined : parsePlatformName(platform);
}
