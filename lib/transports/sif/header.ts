import type { FileHandle } from 'node:fs/promises';
import { VainaError } from '../../errors.js';

/** What a SIF file says of its primary system partition. */
export interface SifImage {
  /** Where the file system is in the file. */
  offset: number;
  /** Its bytes. */
  size: number;
  /** In Go's words. */
  architecture: string;
  /** Of the file, when it was last changed. */
  modified: Date;
  /** 32 hexadecimal digits. */
  id: string;
  /** Text of the definition file; empty where it has none. */
  definition: string;
}

/** Bytes of the header of the file, of a descriptor, and most descriptors that we read. */
const [HEADER_BYTES, DESCRIPTOR_BYTES, MAX_DESCRIPTORS] = [128, 585, 4096];
const MAX_DEFINITION_BYTES = 1024 * 1024;

const DEFINITION = 0x4001;
const PARTITION = 0x4004;
const PRIMARY_SYSTEM = 2;
const SQUASHFS = 1;
const FILE_SYSTEMS: Readonly<Record<number, string>> = {
  2: 'ext3',
  3: 'an archive',
  4: 'raw',
  5: 'encrypted squashfs',
};
const ARCHITECTURES: Readonly<Record<string, string>> = {
  ...{ '01': '386', '02': 'amd64', '03': 'arm', '04': 'arm64', '05': 'ppc64', '06': 'ppc64le' },
  ...{ '07': 'mips', '08': 'mipsle', '09': 'mips64', '10': 'mips64le', '11': 's390x', '12': 'riscv64' },
};

/**
 * Reads the header and descriptors of a Singularity image (SIF, version 1 of its format; all numbers are little-endian).
 *
 * @param path - for messages
 * @throws VainaError `ERR_INVALID_IMAGE`; `ERR_UNSUPPORTED` for file systems other than squashfs
 */
export async function readSif(file: FileHandle, path: string): Promise<SifImage> {
  const invalid = (why: string): VainaError =>
    new VainaError('ERR_INVALID_IMAGE', `${path} is no SIF image: ${why}`, { path });
  const { size: end } = await file.stat();
  const read = async (offset: number, size: number): Promise<Buffer> => {
    const bytes = Buffer.alloc(size);
    if (offset + size > end || (await file.read(bytes, 0, size, offset)).bytesRead !== size)
      throw invalid('it ends too early');
    return bytes;
  };
  const whole = (bytes: Buffer, at: number): number => {
    const value = bytes.readBigInt64LE(at);
    if (value < 0 || value > BigInt(Number.MAX_SAFE_INTEGER)) throw invalid('a number in it is out of range');
    return Number(value);
  };
  const header = await read(0, HEADER_BYTES);
  if (header.toString('latin1', 32, 42) !== 'SIF_MAGIC\0') throw invalid('its header is another one');
  const version = header.toString('latin1', 42, 44);
  if (version !== '01')
    throw new VainaError('ERR_UNSUPPORTED', `${path} is of version ${JSON.stringify(version)} of SIF`);
  const [total, start] = [whole(header, 88), whole(header, 96)];
  if (total > MAX_DESCRIPTORS) throw invalid(`it has ${total} descriptors`);
  const table = await read(start, total * DESCRIPTOR_BYTES);
  let partition: Pick<SifImage, 'offset' | 'size' | 'architecture'> | undefined;
  let definition = '';
  for (let at = 0; at < table.length; at += DESCRIPTOR_BYTES) {
    const type = table.readInt32LE(at);
    if (table[at + 4] !== 1 || (type !== PARTITION && type !== DEFINITION)) continue;
    const [offset, size] = [whole(table, at + 17), whole(table, at + 25)];
    if (offset + size > end) throw invalid('a part of it is beyond its end');
    if (type === DEFINITION) {
      if (size > MAX_DEFINITION_BYTES) throw invalid('its definition file is too large');
      definition ||= (await read(offset, size)).toString('utf8').replace(/\0+$/, '');
      continue;
    }
    if (partition || table.readInt32LE(at + 205) !== PRIMARY_SYSTEM) continue;
    const kind = table.readInt32LE(at + 201);
    if (kind !== SQUASHFS) {
      const what = FILE_SYSTEMS[kind] ?? `number ${kind}`;
      throw new VainaError(
        'ERR_UNSUPPORTED',
        `the file system of ${path} is ${what}: only squashfs can be read`,
      );
    }
    const architecture = ARCHITECTURES[table.toString('latin1', at + 209, at + 211)];
    if (architecture === undefined) throw invalid('its architecture is unknown');
    partition = { offset, size, architecture };
  }
  if (!partition) throw invalid('it has no primary system partition');
  const seconds = whole(header, 72);
  const modified = new Date(seconds * 1000);
  if (Number.isNaN(modified.getTime())) throw invalid('its date is out of range');
  return { ...partition, definition, modified, id: header.toString('hex', 48, 64) };
}
