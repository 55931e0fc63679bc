const SLASH = 0x2f;
const NAME = 100;
const PREFIX = 155;

/**
 * A path in the two fields of a ustar header: `name`, or `prefix/name`.
 *
 * @returns undefined when it is too long for them, or not ASCII, which all programs read the same
 */
export function splitName(path: Buffer): { name: Buffer; prefix: Buffer } | undefined {
  if (!path.every((byte) => byte < 0x80)) return undefined;
  if (path.length <= NAME) return { name: path, prefix: Buffer.alloc(0) };
  // The first slash that leaves little enough behind it. One at the end belongs to the name.
  const slash = path.indexOf(SLASH, Math.max(1, path.length - NAME - 1));
  if (slash === -1 || slash > PREFIX || slash === path.length - 1) return undefined;
  return { name: path.subarray(slash + 1), prefix: path.subarray(0, slash) };
}
