/** A part of {@link sifOf}. */
export interface SifPart {
  /** Of the format: 0x4001 is a definition file, 0x4004 a partition. */
  type: number;
  content: Buffer;
  /** Of a partition: of the file system (1 is squashfs), its use (2 is the primary system), and of the processor. */
  partition?: { fileSystem: number; use: number; architecture: string };
}

/** A SIF file in memory, as Singularity lays it out. */
export function sifOf(parts: readonly SifPart[], version = '01'): Buffer {
  const start = 4096;
  const header = Buffer.alloc(start + 48 * 585);
  header.write('#!/usr/bin/env run-singularity\n', 0);
  header.write(`SIF_MAGIC\0${version}\0`, 32);
  header.write('02', 45);
  header.fill(0xab, 48, 64);
  header.writeBigInt64LE(1_000_000_000n, 64);
  header.writeBigInt64LE(1_600_000_000n, 72);
  header.writeBigInt64LE(48n, 88);
  header.writeBigInt64LE(BigInt(start), 96);
  const chunks = [header];
  let end = header.length;
  for (const [index, { type, content, partition }] of parts.entries()) {
    const at = start + index * 585;
    header.writeInt32LE(type, at);
    header.writeUInt8(1, at + 4);
    header.writeBigInt64LE(BigInt(end), at + 17);
    header.writeBigInt64LE(BigInt(content.length), at + 25);
    if (partition) {
      header.writeInt32LE(partition.fileSystem, at + 201);
      header.writeInt32LE(partition.use, at + 205);
      header.write(`${partition.architecture}\0`, at + 209);
    }
    // Each part begins with a page.
    const padded = Buffer.alloc(Math.ceil(content.length / 4096) * 4096);
    content.copy(padded);
    chunks.push(padded);
    end += padded.length;
  }
  return Buffer.concat(chunks);
}
