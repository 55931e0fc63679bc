import type { KeyObject } from 'node:crypto';
import { VainaError, type ErrorCode } from '../errors.js';
import { verifyBytes } from '../oci/digest.js';
import { MAX_SIGNATURE_BYTES } from '../oci/limits.js';
import type { Reference } from '../oci/reference.js';
import type { Digest, Signature } from '../oci/types.js';
import { readNamedFile } from './files.js';
import { withKeyring } from './gpg.js';
import { DEFAULT_IDENTITY, identityMatches, type SignedIdentity } from './identity.js';
import { MAX_SIGNATURES } from './limits.js';
import { checkPolicy, requirementsFor, type Policy } from './policy.js';
import type { PolicyRequirement, SignedByRequirement, SigstoreSignedRequirement } from './requirements.js';
import { readPublicKey } from './public-key.js';
import { SIGSTORE_MEDIA_TYPE, verifySigstore } from './sigstore.js';
import { verifySimple } from './simple.js';

/** The image that a policy is asked about. */
export interface PolicySubject {
  /** The transport, as in `docker`; without a colon. */
  transport: string;
  /** What a policy may call the image, the most specific first: see {@link referenceScopes}, {@link pathScopes}. */
  scopes: readonly string[];
  /** For messages, e.g. `docker://registry.example.com/app:1.2`. */
  name: string;
  /** The name that signatures speak of; undefined where the transport knows none. */
  reference?: Reference;
  /** The bytes of the manifest or index. */
  manifest: Uint8Array;
  /** Digest of it, against which the bytes are held once more. */
  digest: Digest;
  /** The signatures, or a function that fetches them: called once, and only if a requirement needs them. */
  signatures: readonly Signature[] | (() => Promise<readonly Signature[]>);
  /** Aborting stops the evaluation. */
  signal?: AbortSignal;
}

/**
 * Decides whether a policy lets an image pass: all requirements of the most specific scope must hold. A requirement
 * that cannot be evaluated here is an error, never a yes.
 *
 * @throws VainaError `ERR_POLICY_REJECTED` with the reason, in the words of podman; `ERR_UNSUPPORTED` for a requirement of
 * Fulcio, Rekor or another authority; `ERR_HOST_UNSUPPORTED` without gpg; `ERR_DIGEST_MISMATCH`; what fetching the
 * signatures throws
 */
export async function evaluatePolicy(policy: Policy, subject: PolicySubject): Promise<void> {
  const requirements = requirementsFor(checkPolicy(policy), subject.transport, subject.scopes);
  verifyBytes(subject.manifest, { digest: subject.digest }, `manifest of ${subject.name}`);
  let fetched: Promise<readonly Signature[]> | undefined;
  const signatures = (): Promise<readonly Signature[]> => (fetched ??= fetchSignatures(subject));
  for (const requirement of requirements) {
    subject.signal?.throwIfAborted();
    await evaluate(requirement, subject, signatures);
  }
}

type KeySource = 'keyPath' | 'keyPaths' | 'keyData' | 'keyDatas';
type Fetch = () => Promise<readonly Signature[]>;

async function evaluate(requirement: PolicyRequirement, subject: PolicySubject, fetch: Fetch): Promise<void> {
  switch (requirement.type) {
    case 'insecureAcceptAnything':
      return;
    case 'reject':
      throw rejected(subject, `Running image ${subject.name} is rejected by policy.`);
    case 'signedBaseLayer':
      throw unsupported(subject, 'signedBaseLayer');
    case 'signedBy':
      return evaluateSignedBy(requirement, subject, fetch);
    case 'sigstoreSigned':
      return evaluateSigstore(requirement, subject, fetch);
  }
}

async function evaluateSignedBy(
  requirement: SignedByRequirement,
  subject: PolicySubject,
  fetch: Fetch,
): Promise<void> {
  if (requirement.keyType !== 'GPGKeys') throw unsupported(subject, `keyType ${requirement.keyType}`);
  const simple = (await fetch()).filter((signature) => signature.kind === 'simple');
  if (simple.length === 0) throw rejected(subject, NO_SIGNATURE);
  const blobs = await keysOf(requirement, subject);
  await withKeyring(
    blobs,
    async (keyring) => {
      if (keyring.fingerprints.length === 0) throw rejected(subject, 'No public keys imported');
      await anyOf(simple, subject, ({ bytes }) =>
        verifySimple(keyring, bytes, {
          manifest: subject.manifest,
          acceptsReference: identityOf(requirement.signedIdentity, subject),
          acceptsKey: (_, primary) => keyring.fingerprints.includes(primary),
        }),
      );
    },
    subject.signal,
  );
}

async function evaluateSigstore(
  requirement: SigstoreSignedRequirement,
  subject: PolicySubject,
  fetch: Fetch,
): Promise<void> {
  for (const name of Object.keys(requirement)) {
    if (name === 'fulcio' || name === 'pki' || name.startsWith('rekor')) {
      throw unsupported(subject, `sigstoreSigned with ${name}`);
    }
  }
  const all = await fetch();
  const sigstore = all.filter((signature) => signature.kind === 'sigstore');
  const attached = sigstore.filter(({ mediaType }) => mediaType === SIGSTORE_MEDIA_TYPE);
  if (attached.length === 0) {
    const others = [all.length - sigstore.length, sigstore.length];
    const found = `(${others[0]} non-sigstore signatures, ${others[1]} sigstore non-signature attachments)`;
    throw rejected(subject, all.length === 0 ? NO_SIGNATURE : `${NO_SIGNATURE} ${found}`);
  }
  const keys: KeyObject[] = [];
  for (const pem of await keysOf(requirement, subject)) {
    try {
      keys.push(readPublicKey(pem));
    } catch (error) {
      throw rejected(subject, `Parsing public key: ${(error as Error).message}`, error);
    }
  }
  await anyOf(attached, subject, async (signature) =>
    verifySigstore(keys, signature, {
      manifest: subject.manifest,
      acceptsReference: identityOf(requirement.signedIdentity, subject),
    }),
  );
}

const NO_SIGNATURE = 'A signature was required, but no signature exists';

/** Errors that say nothing about a signature: nothing more is tried. */
const FATAL: readonly ErrorCode[] = ['ERR_HOST_UNSUPPORTED', 'ERR_UNSUPPORTED', 'ERR_INTERNAL'];

/** One accepted signature is enough; without any, the reasons of all. */
async function anyOf<T extends Signature>(
  signatures: readonly T[],
  subject: PolicySubject,
  check: (signature: T) => Promise<unknown>,
): Promise<void> {
  const reasons: unknown[] = [];
  for (const signature of signatures) {
    subject.signal?.throwIfAborted();
    try {
      await check(signature);
      return;
    } catch (error) {
      if (!VainaError.is(error) || FATAL.includes(error.code)) throw error;
      reasons.push(error);
    }
  }
  const texts = reasons.map((reason) => capital((reason as Error).message));
  if (texts.length === 1) throw rejected(subject, texts[0]!, reasons[0]);
  throw rejected(subject, `None of the signatures were accepted, reasons: ${texts.join('; ')}`);
}

function identityOf(rule: SignedIdentity = DEFAULT_IDENTITY, { reference }: PolicySubject) {
  return (signed: string): boolean => identityMatches(rule, reference, signed);
}

async function keysOf(
  { keyPath, keyPaths, keyData, keyDatas }: Pick<SigstoreSignedRequirement, KeySource>,
  subject: PolicySubject,
): Promise<Buffer[]> {
  const datas = keyData === undefined ? (keyDatas ?? []) : [keyData];
  const keys: Buffer[] = datas.map((data) => Buffer.from(data, 'base64'));
  for (const path of keyPath === undefined ? (keyPaths ?? []) : [keyPath]) {
    try {
      keys.push(await readNamedFile(path, 'public key'));
    } catch (error) {
      throw rejected(subject, (error as Error).message, error);
    }
  }
  return keys;
}

/** Fetches the signatures, within limits: each one costs a check, and whoever serves the image chose their number. */
async function fetchSignatures(subject: PolicySubject): Promise<readonly Signature[]> {
  const { signatures } = subject;
  const all = typeof signatures === 'function' ? await signatures() : signatures;
  if (all.length > MAX_SIGNATURES) {
    throw rejected(subject, `There are ${all.length} signatures, more than ${MAX_SIGNATURES}`);
  }
  for (const signature of all) {
    const { length } = signature.kind === 'simple' ? signature.bytes : signature.payload;
    if (length > MAX_SIGNATURE_BYTES) {
      throw rejected(subject, `A signature has ${length} bytes, more than ${MAX_SIGNATURE_BYTES}`);
    }
  }
  return all;
}

function rejected(subject: PolicySubject, reason: string, cause?: unknown): VainaError {
  return new VainaError('ERR_POLICY_REJECTED', reason, {
    op: 'policy',
    subject: subject.name,
    ...(cause !== undefined && { cause }),
  });
}

function unsupported(subject: PolicySubject, what: string): VainaError {
  return new VainaError('ERR_UNSUPPORTED', `the policy requires ${what}, which cannot be evaluated`, {
    op: 'policy',
    subject: subject.name,
    hint: 'require a public key: keyPath or keyData',
  });
}

/** Reasons are printed as podman prints them. */
function capital(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}
