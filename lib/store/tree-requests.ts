import { VainaError } from '../errors.js';
import { FRAME_HEADER, FrameWriter, MAKE, MAX_FRAME, type Meta, metaSize, REQUEST } from './frames.js';

const OUTPUT_BYTES = 256 * 1024;
/** Pieces of content from this size on go to the pipe as they are; smaller ones are gathered. */
const LARGE = 32 * 1024;
const MAX_DATA = 512 * 1024;

/**
 * Where requests go. `frames` may change after the call, `content`, which follows them, may not before it is written
 * out.
 */
export type SendFrames = (frames: Buffer, content?: Buffer) => void;

/**
 * Makes the requests by which a storage worker writes a tree (`docs/storage.md`), gathers them, and sends them on. It is
 * the same for who writes to the pipe and waits, and for who has a queue in front of it.
 */
export class TreeRequests {
  readonly #send: SendFrames;
  #out = new FrameWriter(OUTPUT_BYTES);

  constructor(send: SendFrames) {
    this.#send = send;
  }

  /** Makes what is no regular file. */
  entry(
    type: keyof typeof MAKE,
    path: Buffer,
    target: Buffer,
    device: { major: number; minor: number },
    meta: Meta,
  ): void {
    const out = this.begin(REQUEST.entry, 9 + 3 + path.length + 3 + target.length + metaSize(meta));
    out.u8(MAKE[type]);
    out.u32(device.major);
    out.u32(device.minor);
    out.text(path);
    out.text(target);
    out.meta(meta);
  }

  /** Begins a regular file. */
  file(path: Buffer): void {
    this.begin(REQUEST.file, 3 + path.length).text(path);
  }

  /** Content of the file that was begun. The bytes must stay as they are until they are sent. */
  data(bytes: Buffer, offset: number): void {
    for (let at = 0; at < bytes.length; at += MAX_DATA) {
      const piece = bytes.subarray(at, at + MAX_DATA);
      const large = piece.length >= LARGE;
      const out = this.#room(FRAME_HEADER + 8 + (large ? 0 : piece.length));
      out.begin(REQUEST.data, 0, FRAME_HEADER + 8 + piece.length);
      out.i64(offset + at);
      if (large) this.flush(piece);
      else out.raw(piece);
    }
  }

  /** Ends the file that was begun. */
  end(fileSize: number, meta: Meta): void {
    const out = this.begin(REQUEST.end, 8 + metaSize(meta));
    out.i64(fileSize);
    out.meta(meta);
  }

  /** Frames that were made elsewhere. They must stay as they are until they are sent. */
  frames(bytes: Buffer): void {
    this.flush(bytes);
  }

  /**
   * Begins any frame.
   *
   * @param size - of its body
   * @param tag - comes back with the answer. Default 0: nothing is answered unless it fails
   */
  begin(request: number, size: number, tag = 0): FrameWriter {
    const out = this.#room(FRAME_HEADER + size);
    out.begin(request, tag, FRAME_HEADER + size);
    return out;
  }

  /** Sends what is gathered, and `content` after it. */
  flush(content?: Buffer): void {
    const { bytes, at } = this.#out;
    if (at === 0 && !content) return;
    this.#out.at = 0;
    this.#send(bytes.subarray(0, at), content);
  }

  #room(size: number): FrameWriter {
    if (size > MAX_FRAME) {
      throw new VainaError(
        'ERR_INVALID_LAYER',
        'the layer archive was refused: an entry has too many extended attributes',
      );
    }
    if (this.#out.at + size > this.#out.bytes.length) {
      this.flush();
      if (size > this.#out.bytes.length) this.#out = new FrameWriter(size);
    }
    return this.#out;
  }
}
