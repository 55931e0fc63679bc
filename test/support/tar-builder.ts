/** One entry of an archive that a test makes. Every field can be made wrong on purpose. */
export interface TarEntry {
  name: string | Buffer;
  /** The type flag; default `0`, a file. */
  type?: string;
  link?: string | Buffer;
  content?: string | Buffer;
  mode?: number;
  uid?: number;
  gid?: number;
  mtime?: number;
  major?: number;
  minor?: number;
  /** The size field, where it is not the length of the content. */
  size?: number | Buffer;
  /** Records of a PAX header in front of it. */
  pax?: Readonly<Record<string, string | Buffer>> | readonly (readonly [string, string | Buffer])[];
  /** `ustar` (the default) or GNU's old format. */
  format?: 'ustar' | 'gnu' | 'v7';
  /** Bytes written over the header before its checksum is made. */
  raw?: readonly (readonly [number, Buffer])[];
  /** The checksum field, where it is not right. */
  checksum?: string;
}

export const BLOCK = 512;

const bytesOf = (text: string | Buffer): Buffer =>
  typeof text === 'string' ? Buffer.from(text, 'latin1') : text;

/** Fills up to whole blocks. */
export function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((BLOCK - (bytes.length % BLOCK)) % BLOCK)]);
}

/** One PAX record with its length. */
export function paxRecord(key: string, value: string | Buffer): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), bytesOf(value), Buffer.from('\n')]);
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

/** A header block. Names longer than their field are cut. */
export function header(entry: TarEntry): Buffer {
  const block = Buffer.alloc(BLOCK);
  const content = bytesOf(entry.content ?? '');
  const octal = (value: number, at: number, size: number): void => {
    block.write(value.toString(8).padStart(size - 1, '0'), at, 'latin1');
  };
  bytesOf(entry.name).copy(block, 0, 0, 100);
  octal(entry.mode ?? (entry.type === '5' ? 0o755 : 0o644), 100, 8);
  octal(entry.uid ?? 0, 108, 8);
  octal(entry.gid ?? 0, 116, 8);
  if (Buffer.isBuffer(entry.size)) entry.size.copy(block, 124);
  else octal(entry.size ?? content.length, 124, 12);
  octal(entry.mtime ?? 1_700_000_000, 136, 12);
  block.write(entry.type ?? '0', 156, 'latin1');
  bytesOf(entry.link ?? '').copy(block, 157, 0, 100);
  if (entry.format === 'gnu') block.write('ustar  \0', 257, 'latin1');
  else if (entry.format !== 'v7') block.write('ustar\x0000', 257, 'latin1');
  if (entry.major !== undefined || entry.minor !== undefined) {
    octal(entry.major ?? 0, 329, 8);
    octal(entry.minor ?? 0, 337, 8);
  }
  for (const [at, bytes] of entry.raw ?? []) bytes.copy(block, at);
  block.fill(0x20, 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(entry.checksum ?? `${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

/** A block or two in front of an entry that carry some bytes: PAX (`x`, `g`) or a long name (`L`, `K`). */
export function meta(type: 'x' | 'g' | 'L' | 'K', bytes: Buffer, overrides: Partial<TarEntry> = {}): Buffer {
  const entry = {
    name: 'meta',
    type,
    content: bytes,
    ...(type === 'L' || type === 'K' ? { format: 'gnu' as const } : {}),
  };
  return Buffer.concat([header({ ...entry, ...overrides }), padded(bytes)]);
}

/** PAX records as one header. */
export function pax(records: NonNullable<TarEntry['pax']>, type: 'x' | 'g' = 'x'): Buffer {
  const list = Array.isArray(records)
    ? (records as readonly (readonly [string, string | Buffer])[])
    : Object.entries(records as Readonly<Record<string, string | Buffer>>);
  return meta(type, Buffer.concat(list.map(([key, value]) => paxRecord(key, value))));
}

/** An entry with its headers and its content. */
export function entry(entry: TarEntry): Buffer {
  const parts = [header(entry), padded(bytesOf(entry.content ?? ''))];
  const records = entry.pax
    ? Array.isArray(entry.pax)
      ? [...(entry.pax as [string, string | Buffer][])]
      : Object.entries(entry.pax)
    : [];
  // What does not fit its field.
  if (bytesOf(entry.name).length > 100) records.push(['path', entry.name]);
  if (bytesOf(entry.link ?? '').length > 100) records.push(['linkpath', entry.link ?? '']);
  if (records.length > 0) parts.unshift(pax(records as [string, string | Buffer][]));
  return Buffer.concat(parts);
}

/** An archive of these parts, ended as it should be. */
export function tar(...parts: readonly (TarEntry | Buffer)[]): Buffer {
  return Buffer.concat([open(...parts), Buffer.alloc(2 * BLOCK)]);
}

/** An archive that simply stops. */
export function open(...parts: readonly (TarEntry | Buffer)[]): Buffer {
  return Buffer.concat(parts.map((part) => (Buffer.isBuffer(part) ? part : entry(part))));
}

/** A number in base 256. */
export function base256(value: bigint, size: number): Buffer {
  const bytes = Buffer.alloc(size);
  let rest = BigInt.asUintN(size * 8, value);
  for (let i = size - 1; i >= 0; i--, rest >>= 8n) bytes[i] = Number(rest & 0xffn);
  bytes[0] = (bytes[0] as number) | 0x80;
  return bytes;
}
