import { VainaError } from '../errors.js';

/** Ids of Linux that the peers allow: 0 to 2³¹−1. */
export const MAX_ID = 0x7fff_ffff;

/** Who a process is. */
export interface ResolvedUser {
  uid: number;
  gid: number;
  /** Supplementary groups, without doubles; the primary one is not repeated. */
  groups: number[];
  /** Home directory; `/` when the passwd file does not know the user. */
  home: string;
}

/** The two halves of `user[:group]`. */
export interface UserReference {
  user: string;
  group?: string;
}

interface PasswdEntry {
  name: string;
  uid: number;
  gid: number;
  home: string;
}

interface GroupEntry {
  name: string;
  gid: number;
  members: string[];
}

/**
 * Splits `user[:group]`. Each half is digits only, which is always an id and never a name, or a name.
 *
 * @throws ERR_INVALID_OPTION for an empty half, control characters, more than one colon, or an id above 2³¹−1
 */
export function parseUserReference(text: string): UserReference {
  const [user = '', group, ...rest] = text.split(':');
  if (rest.length > 0) throw malformed(text, 'has more than one colon');
  for (const half of group === undefined ? [user] : [user, group]) {
    if (half === '') throw malformed(text, 'has an empty half');
    // eslint-disable-next-line no-control-regex
    if (/[\u0000-\u001f\u007f-\u009f]/.test(half)) throw malformed(text, 'has a control character in it');
    if (/^\d+$/.test(half) && parseId(half) === undefined)
      throw malformed(text, 'has an id above 2147483647');
  }
  return group === undefined ? { user } : { user, group };
}

/**
 * Looks `user[:group]` up in the text of the container's passwd and group files, as podman does: with a group, the
 * process has no supplementary groups of the group file; without one, it has all that list the user.
 *
 * @param text - `''` or undefined means uid 0
 * @throws ERR_NO_SUCH_USER when a name is not there; ERR_INVALID_OPTION when the text is malformed
 */
export function resolveUser(text: string | undefined, passwd = '', group = ''): ResolvedUser {
  const reference: UserReference =
    text === undefined || text === '' ? { user: '0' } : parseUserReference(text);
  const entry = findUser(reference.user, passwd);
  const uid = parseId(reference.user) ?? entry?.uid;
  if (uid === undefined) throw unknown('user', reference.user, '/etc/passwd');
  const home = entry?.home.startsWith('/') === true ? entry.home : '/';
  if (reference.group !== undefined) {
    return { uid, gid: resolveGroup(reference.group, group), groups: [], home };
  }
  const gid = entry?.gid ?? 0;
  const groups = new Set<number>();
  if (entry) {
    for (const candidate of groupEntries(group)) {
      if (candidate.members.includes(entry.name)) groups.add(candidate.gid);
    }
  }
  groups.delete(gid);
  return { uid, gid, groups: [...groups], home };
}

/** The id of a group: digits, or a name of the group file. Throws ERR_NO_SUCH_USER. */
export function resolveGroup(text: string, group = ''): number {
  const id = parseId(text);
  if (id !== undefined) return id;
  for (const entry of groupEntries(group)) if (entry.name === text) return entry.gid;
  throw unknown('group', text, '/etc/group');
}

/** `^[0-9]{1,10}$` up to 2³¹−1, else undefined. */
export function parseId(text: string): number | undefined {
  if (!/^[0-9]{1,10}$/.test(text)) return undefined;
  const id = Number(text);
  return id <= MAX_ID ? id : undefined;
}

function findUser(user: string, passwd: string): PasswdEntry | undefined {
  const id = parseId(user);
  for (const entry of passwdEntries(passwd)) {
    if (id === undefined ? entry.name === user : entry.uid === id) return entry;
  }
  return undefined;
}

function* passwdEntries(text: string): Iterable<PasswdEntry> {
  for (const line of lines(text)) {
    const [name = '', , uid = '', gid = '', , home = ''] = line.split(':');
    const [uidNumber, gidNumber] = [parseId(uid), parseId(gid)];
    if (uidNumber === undefined || gidNumber === undefined) continue;
    yield { name, uid: uidNumber, gid: gidNumber, home };
  }
}

function* groupEntries(text: string): Iterable<GroupEntry> {
  for (const line of lines(text)) {
    const [name = '', , gid = '', members = ''] = line.split(':');
    const number = parseId(gid);
    if (number !== undefined) yield { name, gid: number, members: members.split(',') };
  }
}

function* lines(text: string): Iterable<string> {
  for (const line of text.split('\n')) {
    const trimmed = line.trim();
    if (trimmed !== '' && !trimmed.startsWith('#')) yield trimmed;
  }
}

function malformed(text: string, why: string): VainaError {
  return new VainaError('ERR_INVALID_OPTION', `user ${JSON.stringify(text)} ${why}`, {
    subject: text,
    hint: 'write name, uid, name:group or uid:gid',
  });
}

function unknown(kind: string, name: string, file: string): VainaError {
  return new VainaError(
    'ERR_NO_SUCH_USER',
    `no ${kind} ${JSON.stringify(name)} in ${file} of the container`,
    {
      subject: name,
      path: file,
    },
  );
}
