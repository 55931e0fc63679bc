import { VainaError } from '../errors.js';
import { quote } from '../util/text.js';
import { parseDigest } from './digest.js';
import type { Digest } from './types.js';

/** A full image reference: which registry, which repository, and which image of it. */
export interface Reference {
  /** Host with optional port, e.g. `docker.io`, `localhost:5000`, `[::1]:5000`. */
  domain: string;
  /** Repository below the domain, e.g. `library/busybox`. */
  path: string;
  /** Tag. */
  tag?: string;
  /** Digest. */
  digest?: Digest;
}

const DEFAULT_DOMAIN = 'docker.io';
const DEFAULT_TAG = 'latest';

/** Longest repository name, domain included, that the distribution grammar allows. */
const MAX_NAME = 255;
/** Name, tag of 128, digest of 135, and their signs. */
const MAX_REFERENCE = 640;

// Each of these is linear: after every character there is one way to go on.
const DOMAIN_COMPONENT = /^[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?$/;
const PATH_COMPONENT = /^[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*$/;
const TAG = /^\w[\w.-]{0,127}$/;
const IPV6 = /^\[[0-9a-fA-F:]{2,45}\]$/;
const IDENTIFIER = /^[0-9a-f]{64}$/;

/**
 * Parses an image reference by the grammar of the distribution project and completes it: without a domain it is one
 * of `docker.io`, and a single name there is one of `library/`. A missing tag is not filled in; see
 * `withDefaultTag`.
 *
 * @throws VainaError `ERR_INVALID_REFERENCE`
 */
export function parseReference(text: string): Reference {
  const { name, tag, digest } = splitReference(text);
  const { domain, path } = splitDomain(name);
  const normal =
    domain === undefined ? DEFAULT_DOMAIN : domain === 'index.docker.io' ? DEFAULT_DOMAIN : domain;
  const full = normal === DEFAULT_DOMAIN && !path.includes('/') ? `library/${path}` : path;
  if (domain === undefined && IDENTIFIER.test(path)) {
    throw invalid(text, 'it is an image id, not a name');
  }
  checkDomain(normal, text);
  checkPath(full, text);
  if (normal.length + 1 + full.length > MAX_NAME)
    throw invalid(text, `the name is longer than ${MAX_NAME} characters`);
  return {
    domain: normal,
    path: full,
    ...(tag !== undefined && { tag }),
    ...(digest !== undefined && { digest }),
  };
}

/** Whether a reference names no registry, so that it means different images on different hosts. */
export function isShortName(text: string): boolean {
  return splitDomain(splitReference(text).name).domain === undefined;
}

/**
 * What a name may mean in a store, best first: a name with a registry is itself; a short name is a local build
 * (`localhost/`) or one of `docker.io`, as at podman. Tags are filled in.
 *
 * @throws VainaError `ERR_INVALID_REFERENCE`
 */
export function referenceCandidates(text: string): Reference[] {
  const full = withDefaultTag(parseReference(text));
  if (!isShortName(text)) return [full];
  return [withDefaultTag(parseReference(`localhost/${text}`)), full];
}

/** Whether a text is a tag. */
export function isTag(text: string): boolean {
  return TAG.test(text);
}

/** Whether a text is a repository below a domain, of whatever length. */
export function isRepositoryPath(text: string): boolean {
  return text.split('/').every((component) => PATH_COMPONENT.test(component));
}

/** The reference with the tag `latest` if it has neither tag nor digest. */
export function withDefaultTag(reference: Reference): Reference {
  if (reference.tag !== undefined || reference.digest !== undefined) return reference;
  return { ...reference, tag: DEFAULT_TAG };
}

/** `domain/path`: the repository without tag or digest. */
export function repositoryOf(reference: Reference): string {
  return `${reference.domain}/${reference.path}`;
}

/** The full text of a reference: `domain/path[:tag][@digest]`. */
export function formatReference(reference: Reference): string {
  const { tag, digest } = reference;
  return (
    repositoryOf(reference) +
    (tag === undefined ? '' : `:${tag}`) +
    (digest === undefined ? '' : `@${digest}`)
  );
}

function splitReference(text: string): { name: string; tag?: string; digest?: Digest } {
  if (text.length > MAX_REFERENCE) throw invalid(text, `it is longer than ${MAX_REFERENCE} characters`);
  if (text === '') throw invalid(text, 'it is empty');
  const at = text.indexOf('@');
  const beforeDigest = at === -1 ? text : text.slice(0, at);
  const digest =
    at === -1
      ? undefined
      : parseDigest(text.slice(at + 1), `image reference ${quote(text)}`, 'ERR_INVALID_REFERENCE');
  const colon = beforeDigest.lastIndexOf(':');
  // A colon before the last slash belongs to a port or an IPv6 address.
  const hasTag = colon > beforeDigest.lastIndexOf('/') && !beforeDigest.slice(colon).includes(']');
  const tag = hasTag ? beforeDigest.slice(colon + 1) : undefined;
  if (tag !== undefined && !TAG.test(tag)) throw invalid(text, `${quote(tag)} is not a tag`);
  return {
    name: hasTag ? beforeDigest.slice(0, colon) : beforeDigest,
    ...(tag !== undefined && { tag }),
    ...(digest !== undefined && { digest }),
  };
}

/** A first component is a domain if it could not be a part of a path: it has a dot, a port, capitals, or is localhost. */
function splitDomain(name: string): { domain?: string; path: string } {
  const slash = name.indexOf('/');
  if (slash === -1) return { path: name };
  const first = name.slice(0, slash);
  const isDomain = first === 'localhost' || /[.:A-Z]/.test(first);
  return isDomain ? { domain: first, path: name.slice(slash + 1) } : { path: name };
}

function checkDomain(domain: string, text: string): void {
  const port = /:([0-9]{1,5})$/.exec(domain);
  const host = port === null ? domain : domain.slice(0, port.index);
  if (port !== null && (Number(port[1]) === 0 || Number(port[1]) > 65535))
    throw invalid(text, 'the port is out of range');
  const well = host.startsWith('[')
    ? IPV6.test(host)
    : host.split('.').every((component) => DOMAIN_COMPONENT.test(component));
  if (!well) throw invalid(text, `${quote(domain)} is not a host with an optional port`);
}

function checkPath(path: string, text: string): void {
  const bad = path.split('/').find((component) => !PATH_COMPONENT.test(component));
  if (bad === undefined) return;
  const why = /[A-Z]/.test(bad) ? 'must be lower case' : 'is not a part of a repository name';
  throw invalid(text, `${quote(bad)} ${why}`);
}

function invalid(text: string, why: string): VainaError {
  return new VainaError('ERR_INVALID_REFERENCE', `image reference ${quote(text)} is malformed: ${why}`, {
    subject: text.slice(0, MAX_REFERENCE),
  });
}
