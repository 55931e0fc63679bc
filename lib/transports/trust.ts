import { readFile, realpath } from 'node:fs/promises';
import { VainaError } from '../errors.js';
import type { CopyOptions, UnverifiedImage } from '../oci/copy-options.js';
import { fileFailure } from '../oci/failure.js';
import { parseReference, type Reference } from '../oci/reference.js';
import type { Policy } from '../signature/policy.js';
import { formatImageName, referenceOf, type ImageName } from './name.js';
import { policyVerifier } from '../signature/hooks.js';
import { pathScopes, referenceScopes, storageScopes } from '../signature/scopes.js';
import { locateStorage } from './containers-storage/configuration.js';
import { signer } from '../signature/hooks.js';
import { checkPolicy, requirementsFor } from '../signature/policy.js';
import { readPolicy } from '../signature/policy-file.js';

/** What images are let through, and how copies are signed. */
export interface TrustOptions {
  /** Do not copy signatures. Default false; then a destination that cannot hold those of a signed image is refused. */
  removeSignatures?: boolean;
  /**
   * The trust policy (containers-policy.json(5)): a path, or the policy itself. Default: the user's, else the host's; a host
   * without one lets every image pass.
   */
  policy?: string | Policy;
  /** Let every image pass, whatever the policy of the host. Default false. */
  insecurePolicy?: boolean;
  /** Add a simple signature by gpg with this key: a fingerprint, or what gpg finds it by. */
  signBy?: string;
  /** Add a sigstore signature with the private key in this file. */
  signBySigstorePrivateKey?: string;
  /**
   * Directory that says where signatures are kept beside registries (containers-registries.d(5)). Default: the user's, else the
   * host's.
   */
  registriesDir?: string;
  /** Of the key that signs. */
  signPassphrase?: string;
  /** What the signature calls the image: a full reference. Default: the one of the destination. */
  signIdentity?: string;
}

/** What {@link TrustOptions} mean for one copy. */
export type Trust = Pick<CopyOptions, 'verify' | 'sign' | 'removeSignatures'>;

/**
 * Reads what a copy needs to know about trust. What signs and verifies is loaded where it is needed only.
 *
 * @throws VainaError `ERR_INVALID_OPTION`, `ERR_NO_SUCH_PATH`, `ERR_PERMISSION`
 */
export async function trustOf(from: ImageName, to: ImageName, options: TrustOptions): Promise<Trust> {
  const { removeSignatures } = options;
  const verify = await verifierOf(from, options);
  const sign = await signerOf(to, options);
  return {
    ...(removeSignatures !== undefined && { removeSignatures }),
    ...(verify && { verify }),
    ...(sign && { sign }),
  };
}

/**
 * What holds each image that comes from a place against the trust policy; undefined where the policy lets all of them pass.
 *
 * @throws VainaError `ERR_INVALID_OPTION`, `ERR_NO_SUCH_PATH`, `ERR_PERMISSION`
 */
export async function verifierOf(
  from: ImageName,
  options: Pick<TrustOptions, 'policy' | 'insecurePolicy'>,
): Promise<CopyOptions['verify'] | undefined> {
  const { policy, insecurePolicy = false } = options;
  if (insecurePolicy) {
    if (policy === undefined) return undefined;
    throw new VainaError('ERR_INVALID_OPTION', 'cannot use both policy and insecurePolicy');
  }
  const known =
    typeof policy === 'object'
      ? checkPolicy(policy)
      : (await readPolicy(policy === undefined ? {} : { path: policy })).policy;
  const scopes = await scopesOf(from);
  const requirements = requirementsFor(known, from.transport, scopes);
  if (requirements.every(({ type }) => type === 'insecureAcceptAnything')) return undefined;
  const verify = policyVerifier(known, { transport: from.transport, scopes, name: formatImageName(from) });
  return async (image: UnverifiedImage): Promise<void> => {
    const reference = referenceOf(from) ?? image.reference;
    await verify({
      name: image.name,
      ...(reference && { reference }),
      raw: image.raw,
      signatures: () => image.signatures(),
    });
  };
}

/** What a policy may call an image, the most specific name first. */
async function scopesOf(name: ImageName): Promise<string[]> {
  switch (name.transport) {
    case 'docker':
      return referenceScopes(name.reference);
    case 'docker-daemon':
      return name.reference ? referenceScopes(name.reference) : name.id === undefined ? [] : [name.id];
    case 'oci':
    case 'oci-archive':
      // The bytes of an archive may have no place.
      if (name.path === '') return [];
      return pathScopes(await resolved(name.path), name.name);
    case 'dir':
    case 'sif':
      return pathScopes(await resolved(name.path));
    case 'containers-storage': {
      const { driver, root } = await locateStorage(name.store);
      return storageScopes(driver, root, referenceIn(name.image));
    }
    case 'vaina': {
      const reference = referenceIn(name.image);
      return reference ? referenceScopes(reference) : [];
    }
    case 'docker-archive':
      return [];
  }
}

async function resolved(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    throw fileFailure(error, path);
  }
}

/** The reference of an image that may also be called by its id. */
function referenceIn(text: string): Reference | undefined {
  if (/^[0-9a-f]{3,64}$|@[0-9a-f]{64}$/.test(text)) return undefined;
  try {
    return parseReference(text);
  } catch {
    // What it is then, who opens it says.
    return undefined;
  }
}

async function signerOf(to: ImageName, options: TrustOptions): Promise<CopyOptions['sign'] | undefined> {
  const { signBy, signBySigstorePrivateKey: keyFile, signPassphrase, signIdentity: identity } = options;
  if (signBy === undefined && keyFile === undefined) {
    if (signPassphrase === undefined && identity === undefined) return undefined;
    throw new VainaError(
      'ERR_INVALID_OPTION',
      'signPassphrase and signIdentity are for a copy that is signed',
    );
  }
  if (signBy !== undefined && keyFile !== undefined && signPassphrase !== undefined) {
    throw new VainaError(
      'ERR_INVALID_OPTION',
      'signBy and signBySigstorePrivateKey cannot share one signPassphrase',
    );
  }
  const passphrase = signPassphrase === undefined ? {} : { passphrase: signPassphrase };
  return signer(
    {
      ...(signBy !== undefined && { simple: { keyFingerprint: signBy, ...passphrase } }),
      ...(keyFile !== undefined && { sigstore: { privateKey: await readKey(keyFile), ...passphrase } }),
      ...(identity !== undefined && { identity }),
    },
    referenceOf(to),
  );
}

async function readKey(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw fileFailure(error, path);
  }
}
