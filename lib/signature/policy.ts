import { VainaError } from '../errors.js';
import { parseStrictJson } from '../util/strict-json.js';
import { quote } from '../util/text.js';
import { MAX_CONFIGURATION_BYTES } from './limits.js';
import { anyObject, exactObject, filledList, required, type Fail } from './members.js';
import { checkRequirement, type PolicyRequirement } from './requirements.js';
import { checkScope } from './scopes.js';

/** What images must be like, as policy.json says it (containers-policy.json(5)). */
export interface Policy {
  /** For images that nothing below speaks of. All of the list must hold. */
  readonly default: readonly PolicyRequirement[];
  /** By transport, then by scope; the scope `''` is the default of its transport. */
  readonly transports?: Readonly<Record<string, Readonly<Record<string, readonly PolicyRequirement[]>>>>;
}

/** The policy that lets every image pass. */
export const ACCEPT_ANYTHING: Policy = { default: [{ type: 'insecureAcceptAnything' }] };

/** Policies that were checked here, and frozen so that they stay what was checked. */
const checked = new WeakSet<object>();

/**
 * Reads the text of a policy.json, strictly: members that are unknown or there twice, wrong types, empty lists of
 * requirements, and scopes that could never match make the whole of it invalid, as they do for podman and skopeo.
 *
 * @param where - names the document in messages
 * @throws VainaError `ERR_INVALID_OPTION`
 */
export function parsePolicy(text: string | Uint8Array, where = 'policy'): Policy {
  const bytes = typeof text === 'string' ? Buffer.from(text) : text;
  if (bytes.length > MAX_CONFIGURATION_BYTES) {
    throw invalid(`${where} is larger than ${MAX_CONFIGURATION_BYTES} bytes`);
  }
  return checkPolicy(parseStrictJson(bytes, where, 'ERR_INVALID_OPTION'), where);
}

/**
 * Checks a policy that a program made, as strictly as {@link parsePolicy}.
 *
 * @returns a frozen copy
 * @throws VainaError `ERR_INVALID_OPTION`
 */
export function checkPolicy(value: unknown, where = 'policy'): Policy {
  if (typeof value === 'object' && value !== null && checked.has(value)) return value as Policy;
  const document = exactObject(value, ['default', 'transports'], where, invalid);
  checkRequirements(required(document, 'default', where, invalid), `${where}.default`);
  if (Object.hasOwn(document, 'transports')) {
    const transports = anyObject(document['transports'], `${where}.transports`, invalid);
    for (const [transport, scopes] of Object.entries(transports)) {
      const at = `${where}.transports[${quote(transport)}]`;
      for (const [scope, requirements] of Object.entries(anyObject(scopes, at, invalid))) {
        if (scope !== '') checkScope(transport, scope, (why) => invalid(`${at}: ${why}`));
        checkRequirements(requirements, `${at}[${quote(scope)}]`);
      }
    }
  }
  const copy = freeze(structuredClone(document)) as unknown as Policy;
  checked.add(copy);
  return copy;
}

/**
 * The requirements for an image: those of the most specific scope that the policy has, and no others.
 *
 * @param scopes - what the image is called in its transport, the most specific name first: see `scopes.ts`
 */
export function requirementsFor(
  policy: Policy,
  transport: string,
  scopes: readonly string[],
): readonly PolicyRequirement[] {
  const { transports = {} } = policy;
  if (Object.hasOwn(transports, transport)) {
    const known = transports[transport]!;
    for (const scope of [...scopes, '']) if (Object.hasOwn(known, scope)) return known[scope]!;
  }
  return policy.default;
}

function checkRequirements(value: unknown, where: string): void {
  for (const [index, requirement] of filledList(value, where, invalid).entries()) {
    checkRequirement(requirement, `${where}[${index}]`, invalid);
  }
}

const invalid: Fail = (message) => new VainaError('ERR_INVALID_OPTION', message);

function freeze<T extends object>(value: T): T {
  for (const member of Object.values(value)) {
    if (typeof member === 'object' && member !== null) freeze(member as object);
  }
  return Object.freeze(value);
}
