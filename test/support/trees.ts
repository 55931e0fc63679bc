import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** What is compared of one file: all that a layer can say of it. */
function describe(path: Buffer): string {
  const stat = lstatSync(path, { bigint: true });
  const mode = Number(stat.mode);
  const fields = [
    mode.toString(8),
    `${stat.uid}:${stat.gid}`,
    // Layers carry whole seconds; a file system may keep more, and both must agree on it.
    stat.mtimeNs.toString(),
  ];
  switch (mode & 0o170000) {
    case 0o100000:
      fields.push(`links ${stat.nlink}`, createHash('sha256').update(readFileSync(path)).digest('hex'));
      break;
    case 0o120000:
      fields.push(`-> ${readlinkSync(path, { encoding: 'latin1' })}`);
      break;
    case 0o020000:
    case 0o060000:
      fields.push(`device ${stat.rdev}`);
      break;
    default:
      break;
  }
  return fields.join(' ');
}

/** Extended attributes of every file below `root` that has any: relative path → text. */
function attributes(root: string): Map<string, string> {
  const output = execFileSync(
    'getfattr',
    ['-R', '-h', '-d', '-m', '-', '-e', 'hex', '--absolute-names', root],
    {
      encoding: 'latin1',
      maxBuffer: 1 << 28,
    },
  );
  const found = new Map<string, string>();
  for (const block of output.split('\n\n')) {
    const [header = '', ...lines] = block.trim().split('\n');
    if (!header.startsWith('# file: ')) continue;
    // Overlay's own marks on the layer directories are not of the image.
    const kept = lines.filter((line) => line !== '' && !/^(trusted|user)\.overlay\./.test(line)).sort();
    if (kept.length > 0) found.set(header.slice('# file: '.length + root.length), kept.join(' '));
  }
  return found;
}

/**
 * Every file below `root`, by name (as latin1, so that no two names are confused): type, mode, owner, time, content,
 * link count, extended attributes.
 *
 * @param skip - paths from the root that are not compared
 */
export function readTree(root: string, skip: readonly RegExp[] = []): Map<string, string> {
  const tree = new Map<string, string>();
  const extended = attributes(root);
  const walk = (directory: Buffer, relative: string): void => {
    for (const name of readdirSync(directory, { encoding: 'buffer' })) {
      const below = `${relative}/${name.toString('latin1')}`;
      if (skip.some((pattern) => pattern.test(below))) continue;
      const path = Buffer.concat([directory, Buffer.from('/'), name]);
      tree.set(below, `${describe(path)} ${extended.get(below) ?? ''}`.trim());
      if (lstatSync(path).isDirectory()) walk(path, below);
    }
  };
  walk(Buffer.from(root), '');
  return tree;
}

/** Lines that tell how two trees differ; none when they are the same. */
export function compareTrees(left: Map<string, string>, right: Map<string, string>): string[] {
  const lines: string[] = [];
  for (const [path, text] of left) {
    const other = right.get(path);
    if (other === undefined) lines.push(`only left:  ${path} ${text}`);
    else if (other !== text) lines.push(`differs:    ${path}\n  left  ${text}\n  right ${other}`);
  }
  for (const [path, text] of right) if (!left.has(path)) lines.push(`only right: ${path} ${text}`);
  return lines;
}
