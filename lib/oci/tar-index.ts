import type { FileHandle } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import type { Header as DeclaredHeader } from 'tar-stream';
import { VainaError } from '../errors.js';
import { readRange } from '../util/read-range.js';
import { quote } from '../util/text.js';
import { MAX_ARCHIVE_ENTRIES } from './limits.js';
import { BLOCK } from './tar-header.js';

/** Where a member of a tar file is, or where its link leads. */
export type TarMember = { kind: 'file'; offset: number; size: number } | { kind: 'link'; target: string };

/** What the package gives beyond what it declares. */
type Header = DeclaredHeader & {
  /** Of the content; the header's own block lies before it. */
  byteOffset: number;
  pax: Readonly<Record<string, string>> | null;
};

const MAX_NAME = 4096;

/**
 * Reads the headers of a tar file into a map from normalised path to member; directories are left out, links are kept
 * as paths within the archive.
 *
 * The format is one that writers of image archives make: plain files, directories, links. What tar-stream reads
 * generously is refused: a size that is negative, no number, or not the one in the header; NUL or bytes that are not
 * UTF-8 in a name; a type that is unknown; a path that leaves the archive; a file that is there twice.
 *
 * @param name - of the archive, for messages
 * @throws VainaError `ERR_INVALID_IMAGE`
 */
export async function indexTar(
  file: FileHandle,
  name: string,
  signal?: AbortSignal,
): Promise<Map<string, TarMember>> {
  const members = new Map<string, TarMember>();
  const headers: Header[] = [];
  // Loaded when it is needed: few programs read archives.
  const { extract } = await import('tar-stream');
  const reader = extract();
  reader.on('entry', (header, content, next) => {
    if (headers.push(header as Header) > MAX_ARCHIVE_ENTRIES) {
      next(refused(name, `has more than ${MAX_ARCHIVE_ENTRIES} entries`));
      return;
    }
    // It fails together with the reader, which is listened to; without a listener of its own it would end the process.
    content.on('error', () => undefined);
    content.on('end', () => next());
    content.resume();
  });
  const bytes = readRange(file);
  try {
    await pipeline(bytes, reader as unknown as NodeJS.WritableStream, signal ? { signal } : {});
  } catch (error) {
    signal?.throwIfAborted();
    if (VainaError.is(error)) throw error;
    throw refused(name, `is not a tar archive: ${(error as Error).message.toLowerCase()}`, error);
  }
  const { size: total } = await file.stat();
  for (const header of headers) {
    const path = memberPath(header.name, name);
    const member = await checkMember(file, header, path, total, name);
    if (member === undefined) continue;
    if (members.has(path)) throw refused(name, `has the file ${quote(path)} twice`);
    members.set(path, member);
  }
  return members;
}

async function checkMember(
  file: FileHandle,
  header: Header,
  path: string,
  total: number,
  name: string,
): Promise<TarMember | undefined> {
  const offset = header.byteOffset;
  const block = Buffer.alloc(BLOCK);
  await file.read(block, 0, BLOCK, offset - BLOCK);
  const inHeader = sizeField(block);
  const inPax = header.pax?.['size'];
  if (inPax !== undefined && !/^[0-9]{1,16}$/.test(inPax))
    throw refused(name, `${quote(path)} has a malformed size`);
  const size = inPax === undefined ? inHeader : Number(inPax);
  if (size === undefined || !Number.isSafeInteger(size) || size !== header.size) {
    throw refused(name, `${quote(path)} has a malformed size`);
  }
  switch (header.type) {
    case 'directory':
      return undefined;
    case 'file':
    case 'contiguous-file':
      if (path === '' || offset + size > total) throw refused(name, `${quote(path)} is not whole`);
      return { kind: 'file', offset, size };
    case 'symlink':
      return { kind: 'link', target: linkPath(path, header.linkname ?? '', name) };
    case 'link':
      return { kind: 'link', target: memberPath(header.linkname ?? '', name) };
    default:
      throw refused(name, `${quote(path)} is neither a file, a directory nor a link`);
  }
}

/** The size field of a header: octal digits, or base 256 when the first bit is set. Undefined when it is neither. */
function sizeField(block: Buffer): number | undefined {
  const field = block.subarray(124, 136);
  if (field[0] === 0x80) {
    const value = field.subarray(1).reduce((sum, byte) => sum * 256n + BigInt(byte), 0n);
    return value > BigInt(Number.MAX_SAFE_INTEGER) ? undefined : Number(value);
  }
  const digits = /^ *([0-7]*)[ \0]*$/.exec(field.toString('latin1'))?.[1];
  return digits === undefined ? undefined : digits === '' ? 0 : parseInt(digits, 8);
}

/** A path of the archive in one spelling: no `.`, no doubled slash. */
function memberPath(raw: string, name: string): string {
  if (raw.length > MAX_NAME || raw.includes('\0') || raw.includes('\uFFFD')) {
    throw refused(name, `has a malformed path ${quote(raw)}`);
  }
  const parts = raw.split('/').filter((part) => part !== '' && part !== '.');
  if (raw.startsWith('/') || parts.includes('..'))
    throw refused(name, `has the path ${quote(raw)}, which leaves it`);
  return parts.join('/');
}

/** Where a symbolic link leads, relative to the archive's root; refused when that is outside. */
function linkPath(from: string, target: string, name: string): string {
  if (target === '' || target.startsWith('/') || target.length > MAX_NAME || target.includes('\0')) {
    throw refused(name, `has a link ${quote(from)} that leaves it`);
  }
  const at = from.split('/').slice(0, -1);
  for (const part of target.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') at.push(part);
    else if (at.pop() === undefined) throw refused(name, `has a link ${quote(from)} that leaves it`);
  }
  return at.join('/');
}

function refused(name: string, why: string, cause?: unknown): VainaError {
  return new VainaError('ERR_INVALID_IMAGE', `${name} ${why}`, {
    subject: name,
    ...(cause !== undefined && { cause }),
  });
}
