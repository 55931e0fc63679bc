import { VainaError } from '../errors.js';
import { parseReference } from '../oci/reference.js';
import { quote } from '../util/text.js';

/** What credentials are kept under: a registry, or a repository or namespace of it. */
export interface LoginKey {
  /** As it is in files: `quay.io`, `quay.io/namespace`. */
  key: string;
  /** `host[:port]` */
  registry: string;
  /** Below the registry; empty for all of it. */
  path: string;
}

/**
 * Reads what the user names to log in to: `host[:port]`, `host[:port]/namespace[/repository]`, or a URL, of which only
 * the host counts.
 *
 * @throws VainaError `ERR_INVALID_REFERENCE`
 */
export function parseLoginKey(text: string): LoginKey {
  const url = /^https?:\/\/([^/?#]*)/.exec(text);
  const key = (url ? (url[1] ?? '') : text).replace(/\/$/, '');
  const slash = key.indexOf('/');
  const registry = slash === -1 ? key : key.slice(0, slash);
  const path = slash === -1 ? '' : key.slice(slash + 1);
  let parsed;
  try {
    // A host alone is no reference, so it gets a path; one without dot or port would be read as a path.
    parsed = parseReference(
      `${registry.includes(':') ? registry : `${registry}:443`}/${path === '' ? 'x' : path}`,
    );
  } catch (cause) {
    throw new VainaError('ERR_INVALID_REFERENCE', `${quote(text)} is not a registry or a repository of one`, {
      subject: text.slice(0, 300),
      cause,
    });
  }
  if (parsed.tag !== undefined || parsed.digest !== undefined) {
    throw new VainaError('ERR_INVALID_REFERENCE', `reference ${quote(text)} contains tag or digest`, {
      subject: text,
    });
  }
  return { key, registry, path };
}
