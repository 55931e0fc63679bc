/**
 * Whether an extended attribute is no part of a layer: overlay's own marks, which whiteouts stand for, and labels, which
 * belong to the host's policy. The unpacker leaves the same ones out.
 */
export function isReserved(name: Buffer): boolean {
  const text = name.toString('latin1');
  return /^(?:trusted|user)\.overlay\./.test(text) || text === 'security.selinux';
}

/** What the names of whiteouts begin with (image-spec, layer.md). */
export const WHITEOUT_PREFIX = Buffer.from('.wh.');
/** The name in a directory by which it hides what the layers below have in it. */
export const OPAQUE_NAME = Buffer.from('.wh..wh..opq');
