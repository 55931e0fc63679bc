import { checkMembers, filled, flag, integer, number, type Check } from '../spec/checks.js';
import { invalid } from '../spec/invalid.js';

/** What cannot be checked beforehand, or is checked where it is used. */
const anything: Check = () => undefined;

const MAX = Number.MAX_SAFE_INTEGER;
const TRANSFER = { signal: anything, onProgress: anything };
const STDIO = { stdio: triple, rows: integer(0, 65_535), columns: integer(0, 65_535) };

/** Options of the verbs that are no container options: by verb, what each may be. */
const OPTIONS = {
  pull: {
    ...TRANSFER,
    platform: filled,
    tlsVerify: flag,
    creds: credentials,
    authFile: filled,
    certDir: filled,
  },
  load: TRANSFER,
  import: {
    ...TRANSFER,
    reference: filled,
    changes: anything,
    message: anything,
    os: filled,
    arch: filled,
    variant: filled,
  },
  start: STDIO,
  attach: { stdio: triple },
  wait: { signal: anything },
  collect: {
    input: anything,
    encoding: anything,
    maxBuffer: integer(0, MAX),
    timeoutMs: number(0, MAX),
    signal: anything,
  },
  logs: {
    follow: flag,
    since: date,
    until: date,
    tail: integer(0, MAX),
    stdout: flag,
    stderr: flag,
    signal: anything,
  },
  stop: { timeout: number(0, MAX) },
  remove: { force: flag, timeout: number(0, MAX) },
  removeImage: { force: flag },
} as const satisfies Record<string, Record<string, Check>>;

/** Throws ERR_INVALID_OPTION for an option that the verb does not have, or that is of the wrong type. */
export function checkOptions(verb: keyof typeof OPTIONS, options: object): void {
  checkMembers(`${verb} option`, options, OPTIONS[verb]);
}

function triple(value: unknown, name: string): void {
  if (!Array.isArray(value) || value.length !== 3)
    throw invalid(name, `option ${name} is not three of a kind`);
}

function date(value: unknown, name: string): void {
  if (!(value instanceof Date) || Number.isNaN(value.getTime()))
    throw invalid(name, `option ${name} is no date`);
}

function credentials(value: unknown, name: string): void {
  const { username, password } = (value ?? {}) as { username?: unknown; password?: unknown };
  if (typeof username !== 'string' || typeof password !== 'string') {
    throw invalid(name, `option ${name} is not a user name and a password`);
  }
}
