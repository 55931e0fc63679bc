import type { VainaError } from '../errors.js';
import { repositoryOf, withDefaultTag, type Reference } from '../oci/reference.js';
import { quote } from '../util/text.js';

/** Transports whose scopes are names in a registry: `[*.]host[:port][/namespace…[/repository[:tag|@digest]]]`. */
const NAMED = ['docker', 'atomic', 'docker-daemon', 'vaina'];
/** Transports whose scopes are paths. */
const PATHS = ['dir', 'oci', 'oci-archive'];
/** Transports that have only the scope `''`. */
const BARE = ['docker-archive', 'tarball'];

/**
 * What a policy may call an image of a registry, the most specific name first: with its tag or digest, its repository,
 * the namespaces and the host with its port, then `*.` and each domain above the host. (containers-policy.json(5),
 * `docker:`)
 */
export function referenceScopes(reference: Reference): string[] {
  const { tag, digest } = withDefaultTag(reference);
  let name = repositoryOf(reference);
  const scopes = [digest === undefined ? `${name}:${tag}` : `${name}@${digest}`, name];
  for (let slash = name.lastIndexOf('/'); slash !== -1; slash = name.lastIndexOf('/')) {
    name = name.slice(0, slash);
    scopes.push(name);
  }
  // Wildcards know no port.
  const host = name.startsWith('[') ? name : name.replace(/:[0-9]+$/, '');
  for (let dot = host.indexOf('.'); dot !== -1; dot = host.indexOf('.', dot + 1)) {
    scopes.push(`*.${host.slice(dot + 1)}`);
  }
  return scopes;
}

/**
 * What a policy may call an image at a path: with its name inside of it where it has one, the path, and each directory
 * above it but `/`.
 *
 * @param path - absolute, without links, as realpath(3) gives it
 * @param name - the tag or name inside of a layout or archive
 */
export function pathScopes(path: string, name?: string): string[] {
  const scopes = name === undefined || name === '' ? [path] : [`${path}:${name}`, path];
  let above = path;
  for (let slash = above.lastIndexOf('/'); slash > 0; slash = above.lastIndexOf('/')) {
    above = above.slice(0, slash);
    scopes.push(above);
  }
  return scopes.filter((scope) => scope !== '/');
}

/** What a policy may call an image of podman's store: `[driver@root]name`, then the store with and without its driver. */
export function storageScopes(driver: string, root: string, reference: Reference | undefined): string[] {
  const store = `[${driver}@${root}]`;
  const names =
    reference === undefined ? [] : referenceScopes(reference).filter((name) => !name.startsWith('*'));
  return [...names.map((name) => store + name), store, `[${root}]`];
}

/** Refuses a scope that could never match an image of the transport. Of a transport that is not known, none is. */
export function checkScope(transport: string, scope: string, fail: (why: string) => VainaError): void {
  if (BARE.includes(transport)) {
    throw fail(`${transport}: does not support any scopes except the default "" one, not ${quote(scope)}`);
  }
  if (PATHS.includes(transport)) {
    if (!scope.startsWith('/')) throw fail(`scope ${quote(scope)} must be an absolute path`);
    if (scope === '/') throw fail('scope "/" is forbidden: use the default scope ""');
    if (
      scope
        .split('/')
        .slice(1)
        .some((part) => part === '' || part === '.' || part === '..')
    ) {
      throw fail(`scope ${quote(scope)} is not a path in its shortest form`);
    }
  }
  if (NAMED.includes(transport)) {
    const star = scope.lastIndexOf('*');
    if (star > 0 || (star === 0 && !/^\*\.[^/:]+$/.test(scope))) {
      throw fail(`scope ${quote(scope)}: a wildcard is only "*." and a domain`);
    }
  }
  if (transport === 'containers-storage' && !/^\[(?:[a-z0-9-]+@)?\/[^\]]*\]/.test(scope)) {
    throw fail(`scope ${quote(scope)} does not start with a store, as in "[overlay@/path]"`);
  }
}
