import { VainaError } from '../errors.js';
import type { Ask, RegistryClient } from './client.js';
import { publicUrl } from './failure.js';
import { follow } from './location.js';
import { retrying } from './retry.js';
import { discard, readBody, type Answer } from './transport.js';

/** Most bytes of one page of a list. */
const MAX_PAGE = 32 * 1024 * 1024;

/** How long a list may become. */
export interface ListLimits {
  pages: number;
  items: number;
}

/** No registry has more; one that says so does not come to an end. */
export const LIST_LIMITS: ListLimits = { pages: 10_000, items: 1_000_000 };

/** One page of a list. */
export interface Page {
  answer: Answer;
  body: Buffer;
}

/**
 * Reads a list page by page, along the Link headers (RFC 8288, relation `next`), which may not lead to another origin, to
 * a page that was read already, or on and on.
 *
 * @param read - takes the items of a page, and says how many of them are new; undefined when it has enough
 * @param ask - an answer with a status that is not 200 ends the list, and is passed to `read` as well
 * @throws VainaError `ERR_REGISTRY` for a list that does not end
 */
export async function readPages(
  client: RegistryClient,
  first: string,
  ask: Ask,
  read: (page: Page) => number | undefined,
  limits: ListLimits = LIST_LIMITS,
): Promise<void> {
  const { settings } = client;
  const origin = await retrying(settings, ask.signal, () => client.origin(ask.signal));
  const visited = new Set<string>();
  let items = 0;
  for (let place: string | URL | undefined = first; place !== undefined;) {
    const at: string | URL = place;
    const { answer, body } = await retrying(settings, ask.signal, async () => {
      const answer = await client.get(at, ask);
      if (answer.status === 200)
        return { answer, body: await readBody(answer, MAX_PAGE, settings.stallTimeout) };
      discard(answer);
      return { answer, body: Buffer.alloc(0) };
    });
    const fresh = read({ answer, body });
    if (fresh === undefined) return;
    items += fresh;
    const next = answer.status === 200 ? nextOf(answer) : undefined;
    if (next === undefined) return;
    const url = follow(next, answer.url, settings.tlsVerify);
    if (url.origin !== origin.origin) {
      throw new VainaError('ERR_REGISTRY', `${publicUrl(answer.url)} names a next page at ${url.origin}`);
    }
    visited.add(answer.url.href);
    if (fresh === 0 || visited.has(url.href) || visited.size >= limits.pages || items >= limits.items) {
      throw new VainaError('ERR_REGISTRY', `${publicUrl(answer.url)} answers with a list that does not end`);
    }
    place = url;
  }
}

/** The target of the link `next`. */
function nextOf(answer: Answer): string | undefined {
  const header = answer.header('link') ?? '';
  for (const [, target, parameters = ''] of header.matchAll(/<([^<>]*)>([^<]*)/g)) {
    if (/;\s*rel\s*=\s*(?:"(?:[^"]*\s)?next(?:\s[^"]*)?"|next(?=\s*(?:[;,]|$)))/i.test(parameters))
      return target;
  }
  return undefined;
}
