import type { Exchange } from './exchange.js';
import type { RegistryAccess, RegistryAuthorize, RegistryChallenge } from './options.js';
import { Refusal } from './refusal.js';

/**
 * Asks whether a request may do something.
 *
 * @throws Refusal `UNAUTHORIZED` with a challenge, `DENIED`
 */
export async function demand(
  authorize: RegistryAuthorize | undefined,
  exchange: Exchange,
  access: RegistryAccess,
): Promise<void> {
  const answer = (await authorize?.(exchange.request, access)) ?? authorize === undefined;
  if (answer === true) return;
  if (answer === false) throw new Refusal('DENIED', 'requested access to the resource is denied');
  throw new Refusal('UNAUTHORIZED', 'authentication required', {
    headers: { 'WWW-Authenticate': challengeHeader(answer, access) },
  });
}

/** The header that tells a client how to show who it is. */
export function challengeHeader(challenge: RegistryChallenge, access: RegistryAccess): string {
  if (challenge.scheme === 'basic') return `Basic realm=${quoted(challenge.realm)}, charset="UTF-8"`;
  const { realm, service, error } = challenge;
  const params = { realm, service, scope: scopeOf(access), error };
  const shown = Object.entries(params).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return `Bearer ${shown.map(([name, value]) => `${name}=${quoted(value)}`).join(',')}`;
}

/** What a token must allow, in the words of the distribution project's token scopes. */
function scopeOf({ repository, action }: RegistryAccess): string | undefined {
  if (action === 'catalog') return 'registry:catalog:*';
  if (repository === undefined) return undefined;
  return `repository:${repository}:${action === 'push' ? 'pull,push' : action}`;
}

/** A quoted string of HTTP: no line can be broken out of. */
function quoted(text: string): string {
  return `"${text.replace(/[^ -~]/g, '').replace(/["\\]/g, '\\$&')}"`;
}
