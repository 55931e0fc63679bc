import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { VainaError } from '../errors.js';
import { quote } from '../util/text.js';
import { MAX_PAYLOAD_BYTES } from './limits.js';

/** How to reach the gpg of the host. */
export interface GpgOptions {
  /** The directory with the user's keys. Default: what gpg itself takes, `$GNUPGHOME` or `~/.gnupg`. */
  gnupgHome?: string;
  /** Aborting ends gpg. */
  signal?: AbortSignal;
}

/** What a verified OpenPGP message says. */
export interface VerifiedMessage {
  /** What was signed. */
  content: Buffer;
  /** Fingerprint of the key that signed, in upper case hexadecimal: maybe a subkey. */
  fingerprint: string;
  /** Fingerprint of the primary key that it belongs to. */
  primary: string;
}

/** Checks messages against a set of keys. */
export interface Keyring {
  /** Fingerprints of the primary keys. */
  readonly fingerprints: readonly string[];
  /** @throws VainaError `ERR_INVALID_SIGNATURE` */
  verify(message: Uint8Array): Promise<VerifiedMessage>;
}

interface Outcome {
  stdout: Buffer;
  /** Lines of the status descriptor, split into words. */
  status: string[][];
  stderr: string;
  exitCode: number | null;
}

/** No key that the message names is fetched, no agent is started, no file of options is read. */
const CLOSED = [
  '--no-options',
  '--no-autostart',
  '--no-auto-key-locate',
  '--no-auto-key-retrieve',
  '--disable-dirmngr',
  '--no-auto-check-trustdb',
];

/** Most bytes that gpg may say about what it does. */
const MAX_TALK = 1024 * 1024;
/** Checking a signature takes milliseconds; what takes this many is not going to end. */
const VERIFY_TIMEOUT = 60_000;

/**
 * Opens a keyring that holds these public keys and no others, in a directory of its own which is removed afterwards.
 *
 * @param blobs - each an export of one or more keys, armored or not
 * @throws VainaError `ERR_HOST_UNSUPPORTED` without gpg
 */
export async function withKeyring<T>(
  blobs: readonly Uint8Array[],
  work: (keyring: Keyring) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  return withEmptyHome(async (home) => {
    const options: GpgOptions = { ...home, ...(signal && { signal }) };
    const fingerprints: string[] = [];
    for (const blob of blobs) {
      const { status } = await gpg([...CLOSED, '--import'], blob, options);
      for (const [word, , fingerprint = ''] of status)
        if (word === 'IMPORT_OK') fingerprints.push(fingerprint);
    }
    const always = [...CLOSED, '--trust-model', 'always'];
    return work({ fingerprints, verify: (message) => verify(always, message, options) });
  });
}

/**
 * The ids of users of some public keys, as the keys have them.
 *
 * @param blob - an export of one or more keys, armored or not
 * @throws VainaError `ERR_INVALID_SIGNATURE` for what is no key, `ERR_HOST_UNSUPPORTED` without gpg
 */
export async function userIdsOf(blob: Uint8Array): Promise<string[]> {
  const { stdout, exitCode, stderr } = await withEmptyHome((home) =>
    gpg([...CLOSED, '--with-colons', '--show-keys'], blob, home),
  );
  if (exitCode !== 0)
    throw new VainaError('ERR_INVALID_SIGNATURE', `it is no public key: ${quote(stderr.trim())}`);
  const lines = stdout.toString().split('\n');
  return lines.flatMap((line) => (line.startsWith('uid:') ? [line.split(':')[9] ?? ''] : []));
}

/** A directory of keys in which there are none, removed afterwards. */
async function withEmptyHome<T>(work: (home: { gnupgHome: string }) => Promise<T>): Promise<T> {
  const gnupgHome = await mkdtemp(join(tmpdir(), 'vaina-gpg-'));
  try {
    return await work({ gnupgHome });
  } finally {
    await rm(gnupgHome, { recursive: true, force: true });
  }
}

/**
 * Checks a message against the keys of the user.
 *
 * @throws VainaError `ERR_INVALID_SIGNATURE`, `ERR_HOST_UNSUPPORTED`
 */
export function verifyWithOwnKeys(message: Uint8Array, options: GpgOptions = {}): Promise<VerifiedMessage> {
  return verify(['--no-autostart', '--no-auto-key-locate', '--no-auto-key-retrieve'], message, options);
}

/**
 * Signs with a key of the user: an OpenPGP message that holds the content.
 *
 * @param key - the fingerprint, or what else gpg knows a key by
 * @param passphrase - of the key, one line. Default: the agent of gpg asks for it where it has to
 * @throws VainaError `ERR_INVALID_SIGNATURE` when gpg cannot, `ERR_INVALID_OPTION`, `ERR_HOST_UNSUPPORTED`
 */
export async function signMessage(
  content: Uint8Array,
  key: string,
  passphrase: string | undefined,
  options: GpgOptions = {},
): Promise<Buffer> {
  if (key === '' || /[\0\n]/.test(key))
    throw new VainaError('ERR_INVALID_OPTION', `${quote(key)} is not a key`);
  if (passphrase !== undefined && passphrase.includes('\n')) {
    throw new VainaError('ERR_INVALID_OPTION', 'invalid passphrase: must not contain a line break');
  }
  const secret = passphrase === undefined ? [] : ['--pinentry-mode', 'loopback', '--passphrase-fd', '4'];
  const args = [...secret, '--no-armor', '--local-user', key, '--output', '-', '--sign'];
  const made = await gpg(args, content, options, passphrase);
  const signatures = made.status.filter(([word]) => word === 'SIG_CREATED').length;
  if (made.exitCode === 0 && signatures === 1 && made.stdout.length > 0) return made.stdout;
  throw new VainaError('ERR_INVALID_SIGNATURE', `gpg cannot sign with ${quote(key)}: ${lastWords(made)}`);
}

/** Status lines that tell that a signature is not one to believe, with the words for it. */
const BAD: Readonly<Record<string, string>> = {
  BADSIG: 'it does not match what it signs',
  NO_PUBKEY: 'the key is not a trusted one',
  ERRSIG: 'it cannot be checked',
  EXPSIG: 'it has expired',
  EXPKEYSIG: 'its key has expired',
  REVKEYSIG: 'its key was revoked',
  KEYREVOKED: 'its key was revoked',
  TRUST_NEVER: 'its key is not to be trusted',
};

async function verify(
  args: readonly string[],
  message: Uint8Array,
  options: GpgOptions,
): Promise<VerifiedMessage> {
  // SHA-1 can be made to collide by whoever writes what is signed.
  const strict = [...args, '--weak-digest', 'SHA1', '--output', '-', '--verify'];
  const { signal } = options;
  const limit = AbortSignal.timeout(VERIFY_TIMEOUT);
  const both = signal ? AbortSignal.any([signal, limit]) : limit;
  const outcome = await gpg(strict, message, { ...options, signal: both });
  const count = (word: string): number => outcome.status.filter(([first]) => first === word).length;
  const bad = Object.keys(BAD).find((word) => count(word) > 0);
  const signatures = count('NEWSIG');
  if (signatures > 1) throw invalid(`unexpected GPG signature count ${signatures}`);
  if (bad !== undefined) throw invalid(BAD[bad]!);
  const valid = outcome.status.find(([word]) => word === 'VALIDSIG');
  // One of each, so that what is printed is what was signed, and nothing else was there.
  const whole = ['NEWSIG', 'GOODSIG', 'VALIDSIG', 'PLAINTEXT'].every((word) => count(word) === 1);
  if (!valid || !whole || outcome.exitCode !== 0) throw invalid(lastWords(outcome));
  const [, fingerprint = '', , , , , , , , kind, primary = fingerprint] = valid;
  if (kind !== '00' && kind !== '01') throw invalid(`it is of class ${quote(kind)}, not one of a document`);
  if (![fingerprint, primary].every((text) => /^(?:[0-9A-F]{40}|[0-9A-F]{64})$/.test(text))) {
    throw invalid('gpg names no fingerprint');
  }
  return { content: outcome.stdout, fingerprint, primary };
}

/** Runs gpg. Only options and the name of a key are arguments: what is checked or signed goes through a pipe. */
async function gpg(
  args: readonly string[],
  input: Uint8Array,
  options: GpgOptions,
  passphrase?: string,
): Promise<Outcome> {
  const { gnupgHome, signal } = options;
  signal?.throwIfAborted();
  const home = gnupgHome === undefined ? [] : ['--homedir', gnupgHome];
  const child = spawn('gpg', [...home, '--batch', '--no-tty', '--status-fd', '3', ...args], {
    env: { ...process.env, LC_ALL: 'C' },
    stdio: ['pipe', 'pipe', 'pipe', 'pipe', passphrase === undefined ? 'ignore' : 'pipe'],
    ...(signal && { signal, killSignal: 'SIGKILL' }),
  });
  const [stdin, stdout, stderr, status, secret] = child.stdio as [
    Writable,
    Readable,
    Readable,
    Readable,
    Writable | null,
  ];
  // gpg may end before it has read all.
  for (const pipe of [stdin, secret]) pipe?.on('error', () => undefined);
  let excess = false;
  const collect = (stream: Readable, limit: number): Buffer[] => {
    const chunks: Buffer[] = [];
    let length = 0;
    stream.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length <= limit) chunks.push(chunk);
      else {
        excess = true;
        child.kill('SIGKILL');
      }
    });
    return chunks;
  };
  const out = collect(stdout, MAX_PAYLOAD_BYTES);
  const talk = collect(stderr, MAX_TALK);
  const lines = collect(status, MAX_TALK);
  const ended = new Promise<number | null>((resolve, reject) => {
    child.on('error', reject).on('close', resolve);
  });
  stdin.end(input);
  if (passphrase !== undefined) secret?.end(`${passphrase}\n`);
  let exitCode: number | null;
  try {
    exitCode = await ended;
  } catch (error) {
    throw startFailure(error, signal);
  }
  if (excess) throw invalid('it holds more than a signature of an image does');
  return {
    stdout: Buffer.concat(out),
    stderr: Buffer.concat(talk).toString(),
    status: statusLines(Buffer.concat(lines).toString()),
    exitCode,
  };
}

function startFailure(error: unknown, signal: AbortSignal | undefined): Error {
  if (signal?.aborted === true) {
    const reason: unknown = signal.reason;
    if (!(reason instanceof DOMException && reason.name === 'TimeoutError')) return reason as Error;
    return new VainaError('ERR_TIMEOUT', `gpg does not end within ${VERIFY_TIMEOUT} ms`);
  }
  return new VainaError(
    'ERR_HOST_UNSUPPORTED',
    'simple signatures need the program gpg, which cannot be started',
    {
      hint: 'install GnuPG (Debian: gnupg)',
      cause: error,
    },
  );
}

function statusLines(text: string): string[][] {
  const prefix = '[GNUPG:] ';
  const lines = text.split('\n').filter((line) => line.startsWith(prefix));
  return lines.map((line) => line.slice(prefix.length).split(' '));
}

function lastWords({ stderr, exitCode }: Outcome): string {
  const line = stderr.trim().split('\n').at(-1) ?? '';
  return line === '' ? `gpg ended with status ${exitCode}` : quote(line);
}

function invalid(why: string): VainaError {
  return new VainaError('ERR_INVALID_SIGNATURE', `invalid GPG signature: ${why}`);
}
