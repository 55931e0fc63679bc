import type { ErrorCode } from '../../../lib/errors.js';

/** Where a layer must not get to. */
export interface Places {
  /** A directory outside the store: absolute. It has a file `file` and a directory `sub`. */
  outside: string;
  /** The same below the root of the store, from there: what a chroot alone would not protect. */
  inside: string;
}

/** What an unpacked tree is to have: path (latin1) → `dir`, `file CONTENT`, `link TARGET`, `fifo`, `char 1:3`, `whiteout`. */
export type ExpectedTree = Readonly<Record<string, string>>;

/** A layer and what must come of it. */
export interface LayerCase {
  /** Its class in the catalogue of holes, and what it does. */
  name: string;
  archive: () => Buffer;
  /** Either the tree, all of it, … */
  tree?: ExpectedTree;
  /** … or the one error. */
  error?: ErrorCode;
  /** For an ordinary user, where it differs. */
  rootless?: ExpectedTree;
  /** Permission bits of some paths (the empty one is the root). */
  modes?: Readonly<Record<string, number>>;
  /** Extended attributes that must be there, as text, or must not (undefined). `overlay.` stands for overlay's own prefix. */
  xattrs?: Readonly<Record<string, Readonly<Record<string, string | undefined>>>>;
  /** Modification times in seconds. */
  times?: Readonly<Record<string, number>>;
  /** Paths that are names of the same file. */
  same?: readonly (readonly string[])[];
  /** Most time it may take, in milliseconds; default 10,000, since tests run side by side. */
  patience?: number;
}
