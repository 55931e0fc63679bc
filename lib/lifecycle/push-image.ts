import { VainaError } from '../errors.js';
import { formatReference, parseReference, withDefaultTag } from '../oci/reference.js';
import type { TransferOptions } from '../oci/types.js';
import { copyNamed, type CopyImageOptions, type CopyResult } from '../transports/copy-image.js';
import { formatImageName, hasTransport, parseImageName, type ImageName } from '../transports/name.js';
import type { TrustOptions } from '../transports/trust.js';
import { checkOptions } from './check-options.js';
import type { Context } from './context.js';
import { publishImage } from './events.js';
import { imageTransport } from './image-transport.js';
import { registryOptions, type ImageRegistryOptions } from './image-registry-options.js';

/** Options of a push. */
export interface PushOptions
  extends
    TransferOptions,
    ImageRegistryOptions,
    Pick<CopyImageOptions, 'all' | 'format' | 'compression' | 'concurrency'>,
    Pick<
      TrustOptions,
      | 'removeSignatures'
      | 'signBy'
      | 'signBySigstorePrivateKey'
      | 'signPassphrase'
      | 'signIdentity'
      | 'registriesDir'
    > {
  /** Which layers to encrypt. There is no encryption: refused with `ERR_UNSUPPORTED`. */
  encryptLayers?: readonly number[];
  /** Keys to encrypt layers with. There is no encryption: refused with `ERR_UNSUPPORTED`. */
  encryptionKeys?: readonly string[];
}

/** An image of the store that is to go somewhere. */
export interface PushedImage {
  id: string;
  /** The full name that it was asked for by, or has; absent for one without a name. */
  name?: string;
}

/**
 * Copies an image of the store to a registry, or to another place. What is in the store has been held against the trust policy when
 * it came, so that none is asked here.
 *
 * @param destination - a name with a transport, or one of a registry. Default: the name of the image
 */
export async function pushImage(
  context: Context,
  { id, name }: PushedImage,
  destination: string | undefined,
  options: PushOptions = {},
): Promise<CopyResult> {
  checkOptions('push', options);
  const target = destination ?? name;
  if (target === undefined) {
    throw new VainaError('ERR_INVALID_REFERENCE', `the image ${id} has no name, so it needs a destination`, {
      subject: id,
    });
  }
  const { all, format, compression, concurrency, removeSignatures, signal, onProgress } = options;
  const { signBy, signBySigstorePrivateKey, signPassphrase, signIdentity } = options;
  const registriesDir = options.registriesDir ?? context.trust.registriesDir;
  const to = destinationOf(target);
  const pushed = await copyNamed({ transport: 'vaina', image: id }, to, {
    store: imageTransport(context),
    insecurePolicy: true,
    destination: registryOptions(options),
    ...(all !== undefined && { all }),
    ...(format && { format }),
    ...(compression && { compression }),
    ...(concurrency !== undefined && { concurrency }),
    ...(removeSignatures !== undefined && { removeSignatures }),
    ...(signBy !== undefined && { signBy }),
    ...(signBySigstorePrivateKey !== undefined && { signBySigstorePrivateKey }),
    ...(signPassphrase !== undefined && { signPassphrase }),
    ...(signIdentity !== undefined && { signIdentity }),
    ...(registriesDir !== undefined && { registriesDir }),
    ...(signal && { signal }),
    ...(onProgress && { onProgress }),
  });
  publishImage('push', id, { name: formatImageName(to) });
  return pushed;
}

function destinationOf(text: string): ImageName {
  if (!hasTransport(text)) {
    const reference = withDefaultTag(parseReference(text));
    // As with docker://: a tag is what is written, so a digest beside it would not be.
    if (reference.tag === undefined || reference.digest !== undefined)
      throw new VainaError(
        'ERR_INVALID_REFERENCE',
        `${formatReference(reference)}: a destination has no digest`,
        {
          subject: text,
        },
      );
    return { transport: 'docker', reference };
  }
  const to = parseImageName(text);
  if (to.transport !== 'vaina') return to;
  throw new VainaError('ERR_INVALID_OPTION', `${text} is in the store that the image is in: tag it instead`, {
    subject: text,
  });
}
