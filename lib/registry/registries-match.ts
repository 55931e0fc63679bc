import { VainaError } from '../errors.js';
import { formatReference, parseReference, type Reference } from '../oci/reference.js';
import type { Registries, Rule } from './registries-conf.js';

/** One place that an image may be read from. */
export interface Endpoint {
  /** The image as that place knows it. */
  reference: Reference;
  insecure: boolean;
}

/** The rule for a name: that with the longest prefix. */
export function findRule(rules: readonly Rule[], name: string): Rule | undefined {
  let best: Rule | undefined;
  for (const rule of rules) {
    if (matchedLength(name, rule.prefix) !== undefined && rule.prefix.length > (best?.prefix.length ?? 0))
      best = rule;
  }
  return best;
}

/**
 * How much of a name a prefix stands for; undefined where it does not fit. As at the peers, a host without a port fits
 * all of its ports: the files are shared with them, and must not block less here than there.
 */
function matchedLength(name: string, prefix: string): number | undefined {
  let length = prefix.length;
  if (prefix.startsWith('*.')) {
    const domain = prefix.slice(1);
    const host = /^[^/:@]*/.exec(name)?.[0] ?? '';
    if (!host.endsWith(domain) || host.length === domain.length) return undefined;
    length = host.length;
  } else if (!name.startsWith(prefix)) return undefined;
  return length === name.length || /[:/@]/.test(name.charAt(length)) ? length : undefined;
}

/**
 * Where an image is read from, in order: the mirrors that its rule has for it, then the registry itself.
 *
 * @throws VainaError `ERR_REGISTRY_BLOCKED`; `ERR_INVALID_OPTION` when a location makes no reference of it
 */
export function readingEndpoints(registries: Registries, reference: Reference): Endpoint[] {
  const name = formatReference(reference);
  const rule = findRule(registries.rules, name);
  if (!rule) return [{ reference, insecure: false }];
  if (rule.blocked) throw blocked(rule.prefix, name);
  const digested = reference.digest !== undefined;
  const mirrors = rule.mirrors.filter(({ pullFromMirror }) => {
    if (rule.mirrorByDigestOnly) return digested;
    return pullFromMirror === 'all' || (pullFromMirror === 'digest-only') === digested;
  });
  return [...mirrors, { location: rule.location, insecure: rule.insecure }].map(({ location, insecure }) => ({
    reference: rewritten(reference, rule.prefix, location),
    insecure,
  }));
}

/**
 * What a repository's rule says of the place itself, for what is not redirected: uploads, logging in.
 *
 * @throws VainaError `ERR_REGISTRY_BLOCKED`
 */
export function isInsecure(registries: Registries, domain: string, repository: string): boolean {
  const name = repository === '' ? domain : `${domain}/${repository}`;
  const rule = findRule(registries.rules, name);
  if (rule?.blocked) throw blocked(rule.prefix, name);
  return rule?.insecure ?? false;
}

function rewritten(reference: Reference, prefix: string, location: string | undefined): Reference {
  if (location === undefined || location === prefix) return reference;
  const name = formatReference(reference);
  const text = location + name.slice(matchedLength(name, prefix) ?? 0);
  let parsed: Reference | undefined;
  try {
    parsed = parseReference(text);
  } catch {
    // A location may be anything; what it is is not said, as it may hold a password.
  }
  if (parsed) return parsed;
  throw new VainaError(
    'ERR_INVALID_OPTION',
    `the configuration of registries makes no valid reference of ${name}: a location for ${prefix} does not fit`,
    { subject: name },
  );
}

function blocked(prefix: string, name: string): VainaError {
  return new VainaError(
    'ERR_REGISTRY_BLOCKED',
    `registry ${prefix} is blocked by the configuration of registries`,
    {
      subject: name,
      hint: 'see containers-registries.conf(5) for the files that say so',
    },
  );
}
