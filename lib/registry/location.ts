import { VainaError } from '../errors.js';
import { publicUrl } from './failure.js';
import type { Answer } from './transport.js';

/**
 * Where a registry sends us, in a redirect, an upload's Location or a Link: never from HTTPS to HTTP, and nowhere but
 * to these two. A user in the URL would become a header, so it is left away.
 *
 * @param from - the URL that a relative one is read against
 * @param tlsVerify - whether plain HTTP is refused also after HTTPS without verification
 * @throws VainaError `ERR_REGISTRY`
 */
export function follow(location: string, from: URL, tlsVerify: boolean): URL {
  const next = URL.canParse(location, from.href) ? new URL(location, from) : undefined;
  const plain = next?.protocol === 'http:' && (from.protocol === 'http:' || !tlsVerify);
  if (!next || (next.protocol !== 'https:' && !plain)) {
    throw new VainaError('ERR_REGISTRY', `${publicUrl(from)} redirects to a place that is not https`);
  }
  next.username = next.password = '';
  return next;
}

/**
 * The Location that an answer must have.
 *
 * @throws VainaError `ERR_REGISTRY`
 */
export function locationOf(answer: Answer, tlsVerify: boolean): URL {
  const location = answer.header('location');
  if (location === undefined || location === '') {
    throw new VainaError('ERR_REGISTRY', `${publicUrl(answer.url)} answered without a Location`);
  }
  return follow(location, answer.url, tlsVerify);
}

/** The URL with one more parameter. The others stay as they are to the byte: they may be signed. */
export function withParameter(url: URL, name: string, value: string): URL {
  const next = new URL(url);
  const parameter = `${name}=${encodeURIComponent(value)}`;
  next.search = next.search === '' ? `?${parameter}` : `${next.search}&${parameter}`;
  return next;
}
