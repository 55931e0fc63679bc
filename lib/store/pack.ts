import { VainaError } from '../errors.js';
import { isWhiteout, joinBytes, listDirectory, type TreeEntry } from './listing.js';
import { isReserved, OPAQUE_NAME, WHITEOUT_PREFIX } from './reserved.js';
import { MountPoints, type PackedMounts } from './pack-mounts.js';
import { MAX_DEPTH, MAX_ENTRIES, MAX_PATH_BYTES } from './tar/limits.js';
import { show } from './tar/malformed.js';
import { type TarMember, TarWriter } from './tar/writer.js';
import type { StorageWorker } from './worker.js';

/** What a tree is packed with. */
export interface PackOptions {
  /** Whether overlay's marks are those of an ordinary user, `user.overlay.*`. */
  rootless: boolean;
  /** Mount points that the engine made in the tree, which are no part of the layer. Default: none. */
  mounts?: PackedMounts;
}

/** Goes on to the next stage when so much has gathered. */
const FLUSH_BYTES = 128 * 1024;
const NO_BYTES = Buffer.alloc(0);
/** What a system call says of a name that is another one by now. */
const CHANGED = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'EINVAL', 'EISDIR', 'ESTALE']);

/** A directory that is being packed. */
interface Frame {
  path: Buffer;
  /** The directory itself; of the top there is none in a layer. */
  self: TreeEntry | undefined;
  opaque: boolean;
  entries: TreeEntry[];
  next: number;
  /** Whether it is in the archive. */
  written: boolean;
  /** Whether a mount point in it was left out, so that its time is the engine's doing. */
  cleared: boolean;
}

/**
 * Packs a tree, as an overlay keeps it, into a layer archive: parents before what is in them, names in the order of
 * their bytes. The same tree gives the same bytes, whoever packs it. Whiteouts and opaque directories become `.wh.`
 * names (image-spec, layer.md), further names of a file hard links to its first, holes zeros. Sockets, and the marks of
 * overlay, are left out, and so is the root directory, which a layer says nothing of.
 *
 * Nobody may write to the tree meanwhile; it is read by descriptors, so that nothing in it leads out.
 */
export class TreePacker {
  /** Entries that are in the archive. */
  entries = 0;
  readonly #worker: StorageWorker;
  readonly #tree: string;
  /** What overlay's own attributes begin with here; those of the other kind are any process's. */
  readonly #prefix: string;
  readonly #mounts: MountPoints | undefined;
  readonly #out = new TarWriter();
  /** First names of files that have several, by what file it is. */
  readonly #first = new Map<string, Buffer>();
  readonly #stack: Frame[] = [];

  constructor(worker: StorageWorker, tree: string, { rootless, mounts }: PackOptions) {
    this.#worker = worker;
    this.#tree = tree;
    this.#prefix = `${rootless ? 'user' : 'trusted'}.overlay.`;
    this.#mounts = mounts && new MountPoints(worker, mounts);
  }

  /**
   * The archive, in pieces; an empty one, of which {@link TreePacker.entries} tells, has its end alone.
   *
   * @throws VainaError `ERR_UNSUPPORTED` for what no layer can say, `ERR_IO` when something changes meanwhile
   */
  async *pack(): AsyncGenerator<Buffer> {
    await this.#enter(NO_BYTES, undefined);
    for (let frame = this.#stack.at(-1); frame; frame = this.#stack.at(-1)) {
      const entry = frame.entries[frame.next++];
      if (!entry) await this.#leave(frame);
      else yield* this.#visit(frame, entry);
      if (this.#out.pending >= FLUSH_BYTES) yield this.#out.take();
    }
    this.#out.end();
    yield this.#out.take();
  }

  async *#visit(frame: Frame, entry: TreeEntry): AsyncGenerator<Buffer> {
    const path = joinBytes(frame.path, entry.name);
    if (entry.type === 'socket') return;
    checkDepth(path, this.#stack.length);
    if (isWhiteout(entry)) return this.#whiteout(path, frame, entry);
    checkName(path, entry);
    if (entry.type === 'directory') {
      if (this.#mark(entry, 'redirect') !== undefined) throw redirected(path);
      return this.#enter(path, entry);
    }
    if (this.#mounts?.isMade(path, entry)) {
      frame.cleared = true;
      return;
    }
    if (this.#mark(entry, 'metacopy') !== undefined) throw redirected(path);
    this.#writeParents();
    const first = entry.links > 1 ? this.#first.get(entry.file) : undefined;
    if (first) return this.#write({ ...memberOf(path, entry), type: 'hard-link', target: first, size: 0 });
    if (entry.links > 1) this.#first.set(entry.file, path);
    if (entry.type === 'file') yield* this.#file(path, entry);
    else this.#write(memberOf(path, entry));
  }

  async #enter(path: Buffer, self: TreeEntry | undefined): Promise<void> {
    const [own, ...entries] = await this.#listing(path);
    const opaque = own !== undefined && this.#mark(own, 'opaque') === 'y';
    const frame = { path, self, opaque, entries, next: 0, written: self === undefined, cleared: false };
    this.#stack.push(frame);
    if (!opaque) return;
    // First in its directory: it hides what is below it, never what comes with it.
    this.#writeParents();
    this.#write(mark(joinBytes(path, OPAQUE_NAME)));
  }

  /** The value of one of overlay's attributes. */
  #mark({ xattrs }: TreeEntry, name: string): string | undefined {
    const whole = this.#prefix + name;
    return xattrs.find((xattr) => xattr.name.toString('latin1') === whole)?.value.toString('latin1');
  }

  /** A directory that only the engine's mount points have brought here is left out with them. */
  async #leave(frame: Frame): Promise<void> {
    this.#stack.pop();
    const parent = this.#stack.at(-1);
    if (frame.written || !frame.self || !parent) return;
    const { path, self, entries, cleared } = frame;
    if (
      this.#mounts &&
      (await this.#mounts.isDirectoryMade(path, self, { empty: entries.length === 0, cleared }))
    ) {
      // One that was made for a mount point changes the time of the one that it is in.
      parent.cleared ||= !(await this.#mounts.isBelow(path));
      return;
    }
    this.#stack.push(frame);
    this.#writeParents();
    this.#stack.pop();
  }

  /** Writes the directories that lead to what is written next. */
  #writeParents(): void {
    for (const frame of this.#stack) {
      if (frame.written || !frame.self) continue;
      frame.written = true;
      this.#write(memberOf(frame.path, frame.self));
    }
  }

  #whiteout(path: Buffer, { path: parent }: Frame, { name }: TreeEntry): void {
    this.#writeParents();
    const hidden = joinBytes(parent, Buffer.concat([WHITEOUT_PREFIX, name]));
    if (hidden.length > MAX_PATH_BYTES) throw tooDeep(path);
    this.#write(mark(hidden));
  }

  async *#file(path: Buffer, entry: TreeEntry): AsyncGenerator<Buffer> {
    const out = this.#out;
    let at = -1;
    let size = 0;
    const fill = function* (to: number): Generator<Buffer> {
      while (at < to) {
        at += out.zeros(to - at);
        if (out.pending >= FLUSH_BYTES) yield out.take();
      }
    };
    try {
      for await (const piece of this.#worker.content(this.#tree, path)) {
        const number = Number(piece.readBigUInt64LE(0));
        if (at === -1) {
          at = 0;
          size = number;
          this.#write({ ...memberOf(path, entry), size });
          continue;
        }
        yield* fill(number);
        out.data(piece.subarray(8));
        at += piece.length - 8;
        if (out.pending >= FLUSH_BYTES) yield out.take();
      }
    } catch (error) {
      throw changed(error, path);
    }
    yield* fill(size);
  }

  async #listing(path: Buffer): Promise<TreeEntry[]> {
    try {
      return await listDirectory(this.#worker, this.#tree, path);
    } catch (error) {
      throw changed(error, path);
    }
  }

  #write(member: TarMember): void {
    this.entries++;
    this.#out.entry(member);
    if (this.#out.headers > MAX_ENTRIES) {
      throw new VainaError(
        'ERR_UNSUPPORTED',
        `a layer cannot have more than ${MAX_ENTRIES} entries, extended headers included`,
      );
    }
  }
}

function memberOf(path: Buffer, entry: TreeEntry): TarMember {
  const { type, target, mode, uid, gid, mtime, size, major, minor } = entry;
  if (type === 'socket') throw new VainaError('ERR_INTERNAL', 'a layer has no sockets');
  const xattrs = entry.xattrs.filter(({ name }) => !isReserved(name));
  return { type, path, target, mode, uid, gid, mtime, size, major, minor, xattrs };
}

/** A `.wh.` name: an empty file of nobody's time. */
function mark(path: Buffer): TarMember {
  return {
    ...{ type: 'file', path, target: NO_BYTES, mode: 0o600, uid: 0, gid: 0 },
    ...{ mtime: { seconds: 0, nanoseconds: 0 }, size: 0, major: 0, minor: 0, xattrs: [] },
  };
}

/** What a process has named like this would delete something where the layer is unpacked. */
function checkName(path: Buffer, { name }: TreeEntry): void {
  if (!name.subarray(0, WHITEOUT_PREFIX.length).equals(WHITEOUT_PREFIX)) return;
  throw new VainaError(
    'ERR_UNSUPPORTED',
    `a layer cannot have ${show(path)}: names that begin with ".wh." mean what is deleted`,
    { hint: 'remove or rename it' },
  );
}

function checkDepth(path: Buffer, depth: number): void {
  if (path.length > MAX_PATH_BYTES || depth > MAX_DEPTH) throw tooDeep(path);
}

function tooDeep(path: Buffer): VainaError {
  return new VainaError(
    'ERR_UNSUPPORTED',
    `a layer cannot have ${show(path)}: its path has more than ${MAX_PATH_BYTES} bytes or ${MAX_DEPTH} parts`,
  );
}

function redirected(path: Buffer): VainaError {
  return new VainaError(
    'ERR_UNSUPPORTED',
    `${show(path)} cannot be packed: overlay keeps what it is in another layer (redirect_dir or metacopy)`,
    { hint: 'turn off redirect_dir and metacopy of the kernel module overlay' },
  );
}

function changed(error: unknown, path: Buffer): unknown {
  if (!VainaError.is(error) || !CHANGED.has(error.errno ?? '')) return error;
  return new VainaError('ERR_IO', `${show(path)} has changed while it was packed`, {
    ...(error.errno === undefined ? {} : { errno: error.errno }),
    hint: 'nobody may write to it meanwhile: pause or stop the container',
    cause: error,
  });
}
