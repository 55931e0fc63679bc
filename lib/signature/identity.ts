import { VainaError } from '../errors.js';
import {
  formatReference,
  isShortName,
  parseReference,
  repositoryOf,
  type Reference,
} from '../oci/reference.js';
import { quote } from '../util/text.js';
import { anyObject, exactObject, filledString, required, type Fail } from './members.js';

/** Which name a signature must give the image for it to count (containers-policy.json(5), `signedIdentity`). */
export type SignedIdentity =
  | {
      /** The same name, with the same tag or digest. */
      readonly type: 'matchExact';
    }
  | {
      /** The same name; for an image that is named by digest, any tag of the same repository. The default. */
      readonly type: 'matchRepoDigestOrExact';
    }
  | {
      /** Any tag of the same repository. */
      readonly type: 'matchRepository';
    }
  | {
      /** This name, whatever the image is called here. */
      readonly type: 'exactReference';
      /** The name, with its tag or digest. */
      readonly dockerReference: string;
    }
  | {
      /** Any tag of this repository, whatever the image is called here. */
      readonly type: 'exactRepository';
      /** The repository, without tag or digest. */
      readonly dockerRepository: string;
    }
  | {
      /** As `matchRepoDigestOrExact`, for a name that starts with `prefix` after `signedPrefix` has taken its place. */
      readonly type: 'remapIdentity';
      /** A host with its port, a namespace or a repository. */
      readonly prefix: string;
      /** What takes its place: what the signer calls it. */
      readonly signedPrefix: string;
    };

/** What counts where a requirement says nothing. */
export const DEFAULT_IDENTITY: SignedIdentity = { type: 'matchRepoDigestOrExact' };

/** Members of each rule, beside its type. */
const MEMBERS: Readonly<Record<SignedIdentity['type'], readonly string[]>> = {
  matchExact: [],
  matchRepoDigestOrExact: [],
  matchRepository: [],
  exactReference: ['dockerReference'],
  exactRepository: ['dockerRepository'],
  remapIdentity: ['prefix', 'signedPrefix'],
};

/** Refuses what is no rule for identities. */
export function checkIdentity(value: unknown, where: string, fail: Fail): void {
  const type = required(anyObject(value, where, fail), 'type', where, fail);
  if (typeof type !== 'string' || !Object.hasOwn(MEMBERS, type)) {
    throw fail(`${where}: unknown policy reference match type ${quote(type)}`);
  }
  const names = MEMBERS[type as SignedIdentity['type']];
  const object = exactObject(value, ['type', ...names], where, fail);
  for (const name of names) {
    const text = filledString(required(object, name, where, fail), `${where}.${name}`, fail);
    if (type === 'remapIdentity') {
      if (!isPrefix(text)) throw fail(`${where}.${name}: prefix ${quote(text)} is not valid`);
      continue;
    }
    const reference = parsed(text);
    if (!reference) throw fail(`${where}.${name}: ${quote(text)} is not an image reference`);
    if (type === 'exactReference' && isNameOnly(reference)) {
      throw fail(`${where}.${name}: ${quote(text)} contains neither a tag nor digest`);
    }
  }
}

/**
 * Whether a signature that calls the image `signed` counts.
 *
 * @param intended - what the image is called here; undefined where the transport knows no such name
 */
export function identityMatches(
  rule: SignedIdentity,
  intended: Reference | undefined,
  signed: string,
): boolean {
  const claimed = parsed(signed);
  if (!claimed) return false;
  switch (rule.type) {
    case 'exactReference':
      return isSame(parsed(rule.dockerReference), claimed);
    case 'exactRepository':
      return inSameRepository(parsed(rule.dockerRepository), claimed);
    case 'matchExact':
      return isSame(pinned(intended), claimed);
    case 'matchRepository':
      return inSameRepository(intended, claimed);
    case 'matchRepoDigestOrExact':
      return isSameOrDigest(pinned(intended), claimed);
    case 'remapIdentity':
      return isSameOrDigest(remap(pinned(intended), rule.prefix, rule.signedPrefix), claimed);
  }
}

function isSameOrDigest(intended: Reference | undefined, claimed: Reference): boolean {
  if (!intended || isNameOnly(claimed)) return false;
  // Which manifest the digest is, and that the signature is for it, has been checked already.
  return intended.digest === undefined ? isSame(intended, claimed) : inSameRepository(intended, claimed);
}

function isSame(wanted: Reference | undefined, claimed: Reference): boolean {
  // A tag is not filled in: a signature for no tag is one for no image.
  if (!wanted || isNameOnly(wanted) || isNameOnly(claimed)) return false;
  return formatReference(wanted) === formatReference(claimed);
}

function inSameRepository(wanted: Reference | undefined, claimed: Reference): boolean {
  return wanted !== undefined && repositoryOf(wanted) === repositoryOf(claimed);
}

function isNameOnly({ tag, digest }: Reference): boolean {
  return tag === undefined && digest === undefined;
}

/** A tag beside a digest says nothing: podman drops it. */
function pinned(reference: Reference | undefined): Reference | undefined {
  if (reference?.digest === undefined) return reference;
  const { domain, path, digest } = reference;
  return { domain, path, digest };
}

function remap(
  reference: Reference | undefined,
  prefix: string,
  signedPrefix: string,
): Reference | undefined {
  if (!reference) return undefined;
  const name = repositoryOf(reference);
  if (name !== prefix && !name.startsWith(`${prefix}/`)) return reference;
  const text = signedPrefix + formatReference(reference).slice(prefix.length);
  // What comes out must be a full name: a short one would become another when it is completed.
  const mapped = parsed(text);
  return mapped && formatReference(mapped) === text ? mapped : undefined;
}

/** A host with optional port, or a repository or namespace with its host. */
function isPrefix(text: string): boolean {
  if (text.includes('/')) {
    const reference = parsed(text);
    return reference !== undefined && isNameOnly(reference) && !isShortName(text);
  }
  const reference = parsed(`${text}/x`);
  return reference !== undefined && (reference.domain === text || reference.path === `${text}/x`);
}

function parsed(text: string): Reference | undefined {
  try {
    return parseReference(text);
  } catch (error) {
    if (VainaError.is(error)) return undefined;
    throw error;
  }
}
