import type { Time } from './tar/numbers.js';
import type { Xattr } from './tar/pax.js';

/** Requests of the storage protocol (`docs/storage.md`). */
export const REQUEST = {
  root: 1,
  begin: 2,
  entry: 3,
  file: 4,
  data: 5,
  end: 6,
  times: 7,
  finish: 8,
  remove: 9,
  usage: 10,
  read: 11,
  list: 12,
  content: 13,
  mount: 14,
  unmount: 15,
} as const;

/** What an `entry` makes; `file` and `socket` are only told of. */
export const MAKE = {
  directory: 1,
  symlink: 2,
  'hard-link': 3,
  'char-device': 4,
  'block-device': 5,
  fifo: 6,
  whiteout: 7,
  opaque: 8,
  file: 9,
  socket: 10,
} as const;

export const FRAME_HEADER = 12;
/** The longest frame, header included. */
export const MAX_FRAME = 1024 * 1024;

/** Owner, mode, times and extended attributes of an entry. */
export interface Meta {
  /** Permission bits, with set-user-id and the like. */
  mode: number;
  uid: number;
  gid: number;
  mtime: Time;
  atime: Time;
  xattrs: readonly Xattr[];
}

/** How many bytes a {@link Meta} takes in a frame. */
export function metaSize(meta: Meta): number {
  let size = 38;
  for (const { name, value } of meta.xattrs) size += 2 + name.length + 1 + 4 + value.length;
  return size;
}

/** Writes frames one after another into a buffer of a fixed size. */
export class FrameWriter {
  readonly bytes: Buffer;
  at = 0;

  constructor(capacity: number) {
    this.bytes = Buffer.allocUnsafeSlow(capacity);
  }

  /** Begins a frame of this size, header included. */
  begin(request: number, tag: number, size: number): void {
    this.u32(size);
    this.u16(request);
    this.u16(0);
    this.u32(tag);
  }

  u8(value: number): void {
    this.bytes[this.at++] = value;
  }

  u16(value: number): void {
    this.at = this.bytes.writeUInt16LE(value, this.at);
  }

  u32(value: number): void {
    this.at = this.bytes.writeUInt32LE(value, this.at);
  }

  /** A safe integer as 64 bits in two's complement. */
  i64(value: number): void {
    this.u32((value % 2 ** 32) >>> 0);
    this.at = this.bytes.writeInt32LE(Math.floor(value / 2 ** 32), this.at);
  }

  /** Bytes without their length. */
  raw(bytes: Uint8Array): void {
    this.bytes.set(bytes, this.at);
    this.at += bytes.length;
  }

  /** Length, bytes, NUL. */
  text(bytes: Uint8Array): void {
    this.u16(bytes.length);
    this.raw(bytes);
    this.u8(0);
  }

  meta(meta: Meta): void {
    this.u32(meta.mode);
    this.u32(meta.uid);
    this.u32(meta.gid);
    for (const time of [meta.atime, meta.mtime]) {
      this.i64(time.seconds);
      this.u32(time.nanoseconds);
    }
    this.u16(meta.xattrs.length);
    for (const { name, value } of meta.xattrs) {
      this.text(name);
      this.u32(value.length);
      this.raw(value);
    }
  }
}
