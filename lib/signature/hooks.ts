import { VainaError } from '../errors.js';
import { formatReference, parseReference, withDefaultTag, type Reference } from '../oci/reference.js';
import type { RawManifest, Signature } from '../oci/types.js';
import { quote } from '../util/text.js';
import { evaluatePolicy } from './evaluate.js';
import { checkOptions } from './options.js';
import { checkPolicy, type Policy } from './policy.js';
import { referenceScopes } from './scopes.js';
import { signSigstore, type SigstoreSignOptions } from './sigstore.js';
import { signSimple, type SimpleSignOptions } from './simple.js';

/** A manifest or index that is about to be copied, and of which nothing but its digest is believed. */
export interface UnverifiedManifest {
  /** Where it was read from, for messages. */
  readonly name: string;
  /** The name that the place knows the image by. */
  readonly reference?: Reference;
  /** Its bytes. */
  readonly raw: RawManifest;
  /** The signatures, or a function that fetches them. */
  readonly signatures: readonly Signature[] | (() => Promise<readonly Signature[]>);
}

/** How a policy knows the images of one source. */
export interface PolicyVerifierOptions {
  /** The transport. Default `docker`. */
  transport?: string;
  /** What the policy may call the images. Default: what their reference gives, with its default tag. */
  scopes?: readonly string[];
  /** The name in messages, with its transport. Default: that of the image. */
  name?: string;
  /** Aborting stops an evaluation. */
  signal?: AbortSignal;
}

/**
 * A hook for `verify` of a copy: lets through what the policy allows.
 *
 * @throws VainaError `ERR_INVALID_OPTION` for a policy that is none. The hook throws what {@link evaluatePolicy} throws,
 * a rejection with `Source image rejected:` before it
 */
export function policyVerifier(
  policy: Policy,
  options: PolicyVerifierOptions = {},
): (image: UnverifiedManifest) => Promise<void> {
  checkOptions(options, ['transport', 'scopes', 'name', 'signal']);
  const known = checkPolicy(policy);
  const { transport = 'docker', signal } = options;
  return async (image) => {
    const { raw, signatures } = image;
    const reference = image.reference && withDefaultTag(image.reference);
    const name = options.name ?? image.name;
    try {
      await evaluatePolicy(known, {
        transport,
        scopes: options.scopes ?? (reference ? referenceScopes(reference) : []),
        name,
        ...(reference && { reference }),
        manifest: raw.bytes,
        digest: raw.digest,
        signatures,
        ...(signal && { signal }),
      });
    } catch (error) {
      if (!VainaError.is(error, 'ERR_POLICY_REJECTED')) throw error;
      const { message, op = 'policy' } = error;
      throw new VainaError('ERR_POLICY_REJECTED', `Source image rejected: ${message}`, {
        op,
        subject: name,
        cause: error,
      });
    }
  };
}

/** How {@link signer} signs. Both kinds may be given. */
export interface SignerOptions {
  /** With an OpenPGP key of the user. */
  simple?: Omit<SimpleSignOptions, 'manifest' | 'reference'>;
  /** With a sigstore key. */
  sigstore?: Omit<SigstoreSignOptions, 'manifest' | 'reference'>;
  /**
   * What the signatures call the image, a reference with its tag or digest. Default: the reference that the copy goes to.
   */
  identity?: string;
}

/**
 * A hook for `sign` of a copy: signs each manifest and index as it will be at the destination.
 *
 * @param destination - the name that the destination knows the image by; undefined where it knows none
 * @throws VainaError `ERR_INVALID_OPTION` for an identity without tag or digest, and where there is no name to sign for.
 * The hook throws what {@link signSimple} and {@link signSigstore} throw
 */
export function signer(
  options: SignerOptions,
  destination?: Reference,
): (raw: Pick<RawManifest, 'bytes'>) => Promise<Signature[]> {
  checkOptions(options, ['simple', 'sigstore', 'identity']);
  const { simple, sigstore, identity } = options;
  const reference =
    identity === undefined ? destination && withDefaultTag(destination) : parseReference(identity);
  if (!reference) {
    throw new VainaError('ERR_INVALID_OPTION', 'cannot determine what to call the image in its signature', {
      hint: 'give an identity',
    });
  }
  if (reference.tag === undefined && reference.digest === undefined) {
    throw new VainaError(
      'ERR_INVALID_OPTION',
      `sign identity must be a fully specified reference, not ${quote(identity)}`,
    );
  }
  const name = formatReference(reference);
  return async ({ bytes }) => [
    ...(simple ? [await signSimple({ ...simple, manifest: bytes, reference: name })] : []),
    ...(sigstore ? [await signSigstore({ ...sigstore, manifest: bytes, reference: name })] : []),
  ];
}
