import type { FileHandle } from 'node:fs/promises';
import { VainaError } from '../../errors.js';
import type { TarMember } from '../../oci/tar-header.js';
import { readRange } from '../../util/read-range.js';

/** A member of the archive that a pseudo file becomes. */
export interface PseudoMember extends TarMember {
  name: Buffer;
  /** Of a file: where its content is in the pseudo file. */
  at: number;
}

const MARK = '# START OF DATA - DO NOT MODIFY';
const TYPES: Readonly<Record<string, TarMember['type']>> = {
  ...{ R: '0', L: '1', S: '2', C: '3', B: '4', D: '5', I: '6' },
};
/** Most bytes of all lines, and of one. */
const [MAX_TEXT, MAX_LINE] = [512 * 1024 * 1024, 16 * 1024];

/**
 * Reads what unsquashfs(1) writes with `-pf` (mksquashfs(1), pseudo file definitions): `NAME TYPE TIME MODE UID GID …`, in
 * the order of a walk. Sockets and extended attributes are left out.
 *
 * @param path - for messages
 * @throws VainaError `ERR_INVALID_IMAGE`; `ERR_UNSUPPORTED` for a name or a link with a line break, which the form cannot tell
 * from the end of the line
 */
export async function readPseudoFile(file: FileHandle, path: string): Promise<PseudoMember[]> {
  const members: PseudoMember[] = [];
  const { size: end } = await file.stat();
  let data = -1;
  for await (const { line, next } of linesOf(file, path)) {
    if (data >= 0) {
      // The mark has a line with nothing but # before and after it.
      data = next;
      break;
    }
    if (line === MARK) data = next;
    else if (line !== '#') {
      const member = memberOf(line, path);
      if (member) members.push(member);
    }
  }
  if (data < 0) {
    if (members.some(({ type, size }) => type === '0' && size > 0)) throw damaged(path);
    data = end;
  }
  const byName = new Map<string, PseudoMember>();
  for (const member of members) {
    if (member.type === '1') linkMember(member, byName.get(keyOf(member.link)), path);
    else byName.set(keyOf(member.name), member);
    if (member.type !== '0') continue;
    member.at += data;
    if (member.at + member.size > end) throw damaged(path);
  }
  return members;
}

/** A link is like what it leads to, which comes before it. */
function linkMember(member: PseudoMember, target: PseudoMember | undefined, path: string): void {
  if (!target) throw damaged(path);
  const { mode, uid = 0, gid = 0, mtime = 0 } = target;
  Object.assign(member, { mode, uid, gid, mtime });
}

function keyOf(name: string | Buffer = ''): string {
  return typeof name === 'string' ? name : name.toString('latin1');
}

async function* linesOf(file: FileHandle, path: string): AsyncGenerator<{ line: string; next: number }> {
  let [rest, at] = ['', 0];
  for await (const chunk of readRange(file) as AsyncIterable<Buffer>) {
    rest += chunk.toString('latin1');
    let from = 0;
    for (let stop = rest.indexOf('\n'); stop !== -1; stop = rest.indexOf('\n', from)) {
      at += stop + 1 - from;
      yield { line: rest.slice(from, stop), next: at };
      from = stop + 1;
    }
    rest = rest.slice(from);
    if (rest.length > MAX_LINE || at > MAX_TEXT) throw damaged(path);
  }
}

function memberOf(line: string, path: string): PseudoMember | undefined {
  const [, escaped = '', kind = '', rest = ''] = /^((?:\\[^]|[^\\ ])+) ([RLSCBDIx]) ([^]*)$/.exec(line) ?? [];
  if (kind === '') throw broken(path);
  if (kind === 'x') return undefined;
  const name = nameOf(escaped, path);
  const type = TYPES[kind] as TarMember['type'];
  if (kind === 'L') {
    return { name, type, link: nameOf(rest, path), size: 0, mode: 0o644, at: 0 };
  }
  const [, time = '', mode = '', uid = '', gid = '', more = ''] =
    /^(\d{1,11}) ([0-7]{1,4}) (\d{1,10}) (\d{1,10})(?: ([^]*))?$/.exec(rest) ?? [];
  if (time === '') throw broken(path);
  const member: PseudoMember = {
    ...{ name, type, size: 0, mode: parseInt(mode, 8), uid: Number(uid), gid: Number(gid), at: 0 },
    mtime: Number(time),
  };
  switch (kind) {
    case 'R': {
      // Later versions say behind them whether it is sparse.
      const [, size, at] = /^(\d{1,15}) (\d{1,15})(?: [01])?$/.exec(more) ?? [];
      if (size === undefined) throw broken(path);
      return { ...member, size: Number(size), at: Number(at) };
    }
    case 'S': {
      return { ...member, link: Buffer.from(more, 'latin1') };
    }
    case 'C':
    case 'B': {
      const [, major, minor] = /^(\d{1,7}) (\d{1,7})$/.exec(more) ?? [];
      if (major === undefined) throw broken(path);
      return { ...member, major: Number(major), minor: Number(minor) };
    }
    case 'I':
      return more === 'f' ? member : undefined;
    default:
      return member;
  }
}

/** A name without its backslashes; `/` is the top. */
function nameOf(escaped: string, path: string): Buffer {
  const name = escaped.replace(/\\([^])/g, '$1');
  if (name === '/') return Buffer.from('./');
  const parts = name.split('/');
  if (parts.some((part) => part === '' || part === '.' || part === '..')) throw damaged(path);
  return Buffer.from(name, 'latin1');
}

function broken(path: string): VainaError {
  return new VainaError(
    'ERR_UNSUPPORTED',
    `${path} has a name with a line break, or unsquashfs writes what is unknown`,
    { path },
  );
}

function damaged(path: string): VainaError {
  return new VainaError('ERR_INVALID_IMAGE', `the file system of ${path} is damaged`, { path });
}
