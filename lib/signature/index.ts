/**
 * Signatures and the trust policy: `import { parsePolicy, policyVerifier } from 'vaina/signature'`. Makes and verifies simple
 * signatures and those of sigstore, and reads containers-policy.json(5); needs neither the native addon nor a store.
 *
 * @packageDocumentation
 */

export { evaluatePolicy, type PolicySubject } from './evaluate.js';
export type { GpgOptions, Keyring, VerifiedMessage } from './gpg.js';
export { withKeyring } from './gpg.js';
export {
  policyVerifier,
  signer,
  type PolicyVerifierOptions,
  type SignerOptions,
  type UnverifiedManifest,
} from './hooks.js';
export type { SignedIdentity } from './identity.js';
export {
  createLookaside,
  type HttpGetter,
  type LookasideOptions,
  type LookasideStorage,
} from './lookaside.js';
export { readPolicy, type PolicyFile, type PolicyFileOptions } from './policy-file.js';
export { checkPolicy, parsePolicy, type Policy } from './policy.js';
export { readPublicKey } from './public-key.js';
export type { RegistriesDOptions } from './registries-d.js';
export type { PolicyRequirement, SignedByRequirement, SigstoreSignedRequirement } from './requirements.js';
export { pathScopes, referenceScopes, storageScopes } from './scopes.js';
export { generateSigstoreKey, type SigstoreKeyPair } from './sigstore-key.js';
export {
  signSigstore,
  verifySigstore,
  type SigstoreSignature,
  type SigstoreSignOptions,
  type VerifiedSigstore,
} from './sigstore.js';
export {
  signSimple,
  verifySimple,
  type Expectation,
  type SimpleSignature,
  type SimpleSignOptions,
  type VerifiedSignature,
} from './simple.js';
export {
  standaloneSign,
  standaloneVerify,
  type StandaloneSignKey,
  type StandaloneVerified,
  type StandaloneVerifyKey,
} from './standalone.js';
export {
  setTrust,
  showTrust,
  type SetTrustOptions,
  type ShownTrust,
  type ShowTrustOptions,
  type TrustRow,
} from './trust.js';
