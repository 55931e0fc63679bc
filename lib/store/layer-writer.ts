import { FRAME_HEADER, FrameWriter, MAX_FRAME, type Meta, metaSize, REQUEST } from './frames.js';
import type { Entry } from './tar/entry.js';
import { OPAQUE_NAME as OPAQUE, WHITEOUT_PREFIX as WHITEOUT } from './reserved.js';
import { refused, show } from './tar/malformed.js';
import type { TarHandler } from './tar/reader.js';
import type { Xattr } from './tar/pax.js';
import type { TreeRequests } from './tree-requests.js';

const SLASH = 0x2f;
const AUFS = Buffer.from('.wh..wh.');
const DEFAULT_ACL = 'system.posix_acl_default';
const NONE = Buffer.alloc(0);
const NO_DEVICE = { major: 0, minor: 0 };

/** Most bytes of what is remembered of directories until the end. */
const MAX_REMEMBERED = 128 * 1024 * 1024;
const BLOCK = 256 * 1024;

/**
 * Makes requests to the storage worker out of the entries of a layer archive: names that begin with `.wh.` become
 * overlay's whiteouts and opaque directories, and what entries inside a directory would change of it comes last.
 */
export class LayerWriter implements TarHandler {
  readonly #tree: TreeRequests;
  #file: Entry | undefined;
  /** Requests for the end, one frame after another. */
  readonly #later: FrameWriter[] = [];
  #remembered = 0;

  constructor(tree: TreeRequests) {
    this.#tree = tree;
  }

  entry(entry: Entry): void {
    const { path } = entry;
    // The root stays as the engine has made it, as at podman and docker.
    if (path.length === 0) return;
    if (path.includes(WHITEOUT) && this.#whiteout(entry)) return;
    if (entry.type === 'file') {
      this.#file = entry;
      this.#tree.file(path);
    } else if (entry.type === 'directory') {
      this.#directory(entry);
    } else {
      this.#tree.entry(entry.type, path, entry.target, entry, entry);
    }
  }

  data(bytes: Buffer, offset: number): void {
    if (this.#file) this.#tree.data(bytes, offset);
  }

  end(): void {
    const file = this.#file;
    this.#file = undefined;
    if (file) this.#tree.end(file.size, file);
  }

  /** The requests that were kept for the end, in pieces. */
  late(): Buffer[] {
    return this.#later.map(({ bytes, at }) => bytes.subarray(0, at));
  }

  #directory(entry: Entry): void {
    // What is made in it meanwhile changes its times, and would inherit its default ACL.
    const isAcl = (xattr: Xattr): boolean => xattr.name.toString('latin1') === DEFAULT_ACL;
    const late = entry.xattrs.filter(isAcl);
    const now =
      late.length === 0 ? entry : { ...entry, xattrs: entry.xattrs.filter((xattr) => !isAcl(xattr)) };
    this.#tree.entry('directory', entry.path, NONE, NO_DEVICE, now);
    this.#keep(entry.path, { ...entry, xattrs: late });
  }

  #keep(path: Buffer, meta: Meta): void {
    const size = FRAME_HEADER + 3 + path.length + metaSize(meta);
    this.#remembered += size;
    if (this.#remembered > MAX_REMEMBERED || size > MAX_FRAME) throw refused('it has too many directories');
    let block = this.#later.at(-1);
    if (!block || block.at + size > block.bytes.length) {
      block = new FrameWriter(Math.max(size, this.#later.length === 0 ? BLOCK / 16 : BLOCK));
      this.#later.push(block);
    }
    block.begin(REQUEST.times, 0, size);
    block.text(path);
    block.meta(meta);
  }

  /** Whether the entry was one that only marks something. */
  #whiteout(entry: Entry): boolean {
    const { path } = entry;
    const slash = path.lastIndexOf(SLASH);
    for (let at = 0; at <= slash; at = path.indexOf(SLASH, at) + 1) {
      if (startsWith(path, WHITEOUT, at)) {
        // What aufs keeps for itself is no part of the layer.
        if (startsWith(path, AUFS, at)) return true;
        throw refused(`${show(path)} is below the name of a whiteout`);
      }
    }
    if (!startsWith(path, WHITEOUT, slash + 1)) return false;
    const name = path.subarray(slash + 1);
    if (name.equals(OPAQUE)) {
      this.#tree.entry('opaque', path, NONE, NO_DEVICE, entry);
    } else if (!startsWith(path, AUFS, slash + 1)) {
      const hidden = name.subarray(WHITEOUT.length).toString('latin1');
      if (hidden === '' || hidden === '.' || hidden === '..')
        throw refused(`${show(path)} is a whiteout of nothing`);
      const target = Buffer.concat([path.subarray(0, slash + 1), name.subarray(WHITEOUT.length)]);
      this.#tree.entry('whiteout', target, NONE, NO_DEVICE, entry);
    }
    return true;
  }
}

function startsWith(path: Buffer, prefix: Buffer, at: number): boolean {
  return (
    path.length >= at + prefix.length && path.compare(prefix, 0, prefix.length, at, at + prefix.length) === 0
  );
}
