import { VainaError } from '../errors.js';
import type { NamespaceType, OciNamespace } from './oci-spec.js';

/** The CLONE_NEW* bit of each kind of namespace (namespaces(7)). */
export const CLONE_FLAGS: Readonly<Record<NamespaceType, number>> = {
  mount: 0x0002_0000,
  cgroup: 0x0200_0000,
  uts: 0x0400_0000,
  ipc: 0x0800_0000,
  user: 0x1000_0000,
  pid: 0x2000_0000,
  network: 0x4000_0000,
};

/** The namespaces of a container: each its own, the network but with `host`, the user one for ordinary users. */
export function compileNamespaces(network: 'none' | 'host', rootless: boolean): OciNamespace[] {
  const types: NamespaceType[] = ['pid', 'ipc', 'uts', 'mount', 'cgroup'];
  if (network === 'none') types.push('network');
  if (rootless) types.push('user');
  return types.map((type) => ({ type }));
}

/** The bits of those namespaces that are new, not joined by a path. */
export function cloneFlags(namespaces: readonly OciNamespace[]): number {
  return (
    namespaces.reduce((flags, { type, path }) => (path === undefined ? flags | bit(type) : flags), 0) >>> 0
  );
}

function bit(type: NamespaceType): number {
  const flag = CLONE_FLAGS[type] as number | undefined;
  if (flag === undefined)
    throw new VainaError('ERR_UNSUPPORTED', `namespace ${String(type)} is not supported`);
  return flag;
}

/** Whether the spec has a namespace of its own of this kind. */
export function hasOwn(namespaces: readonly OciNamespace[], type: NamespaceType): boolean {
  return namespaces.some((namespace) => namespace.type === type && namespace.path === undefined);
}
