/** What a request is about: one of the endpoints of distribution-spec 1.1, whatever the method. */
export type Route =
  | { kind: 'ping' }
  | { kind: 'catalog' }
  | { kind: 'tags' | 'uploads'; repository: string }
  | { kind: 'manifest' | 'blob' | 'upload' | 'referrers'; repository: string; reference: string };

/**
 * Finds the endpoint that a URL names. Names have any number of components, so it is read from its end. Nothing is
 * checked beyond the shape, and nothing is normalised: a part `..` stays what it is, and is no name.
 *
 * @param path - of the URL, still encoded
 * @returns undefined for what is no endpoint
 */
export function route(path: string): Route | undefined {
  if (path === '/v2/' || path === '/v2') return { kind: 'ping' };
  if (!path.startsWith('/v2/')) return undefined;
  let parts: string[];
  try {
    // Split before decoding: an encoded slash is no separator.
    parts = path
      .slice('/v2/'.length)
      .split('/')
      .map((part) => decodeURIComponent(part));
  } catch {
    return undefined;
  }
  const [last = '', second, third] = [parts.at(-1), parts.at(-2), parts.at(-3)];
  if (parts.length === 1) return last === '_catalog' ? { kind: 'catalog' } : undefined;
  const before = (count: number): string => parts.slice(0, -count).join('/');
  if (third === 'blobs' && second === 'uploads' && parts.length > 3) {
    return last === ''
      ? { kind: 'uploads', repository: before(3) }
      : { kind: 'upload', repository: before(3), reference: last };
  }
  if (parts.length < 3) return undefined;
  const repository = before(2);
  switch (second) {
    case 'tags':
      return last === 'list' ? { kind: 'tags', repository } : undefined;
    case 'blobs':
      return last === 'uploads'
        ? { kind: 'uploads', repository }
        : { kind: 'blob', repository, reference: last };
    case 'manifests':
      return { kind: 'manifest', repository, reference: last };
    case 'referrers':
      return { kind: 'referrers', repository, reference: last };
    default:
      return undefined;
  }
}
