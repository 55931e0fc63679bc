import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { PassThrough, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { VainaError } from '../errors.js';
import type { TransferOptions } from '../oci/types.js';
import { checkOptions } from './check-options.js';
import type { Context } from './context.js';
import { findImage } from './find-image.js';
import { loadImages } from './load-images.js';
import { saveImages } from './save-images.js';
import { parsePlace, peerCommand, type PeerCommand, type StoreEngine } from './scp-place.js';

/** Options of a transfer between stores. */
export interface ScpOptions extends TransferOptions {
  /**
   * Whose store is meant by a place. Default: `vaina`; on another machine that has no vaina, `podman`.
   */
  engine?: StoreEngine;
  /** Called for what is left behind of an image of this store: its signatures. */
  onWarning?: (message: string) => void;
}

/** Most that is kept of what a program says. */
const MAX_TALK = 64 * 1024;

/**
 * Copies an image between stores, by an archive through a pipe: the engine of each store reads or writes it.
 *
 * @returns names of the image in the store that it came to, or its id where it has none
 */
export async function scpImage(
  context: Context,
  source: string,
  destination: string | undefined,
  options: ScpOptions = {},
): Promise<string[]> {
  checkOptions('scp', options);
  const { engine, signal } = options;
  const [from, to] = [await parsePlace(source), await parsePlace(destination ?? '')];
  if (from.image === '') throw invalid('a source image must be specified');
  if (to.image !== '') throw invalid('renaming of an image is currently not supported');
  if (!from.host && !to.host) throw invalid('must specify a destination');
  const saver = peerCommand(from, 'save', engine);
  const loader = peerCommand(to, 'load', engine);
  if (!saver && !loader) throw invalid(`${source} is in the store that it is to come to`);
  if (!saver) return give(context, from.image, loader as PeerCommand, options);
  await using sender = await Peer.start(saver, 'out', signal);
  if (!loader) return await take(context, sender, options);
  await using receiver = await Peer.start(loader, 'in', signal);
  return await loadedBy(receiver, async () => {
    await pipeline(sender.stdout, receiver.stdin);
    await sender.ended();
  });
}

async function give(
  context: Context,
  image: string,
  loader: PeerCommand,
  options: ScpOptions,
): Promise<string[]> {
  const { signal, onProgress, onWarning } = options;
  const found = await findImage(context, image);
  const names = found.name === undefined ? [] : [found.name];
  await using receiver = await Peer.start(loader, 'in', signal);
  return await loadedBy(receiver, () =>
    saveImages(context, [{ id: found.image.id, names }], receiver.stdin, {
      format: 'oci-archive',
      ...(signal && { signal }),
      ...(onProgress && { onProgress }),
      ...(onWarning && { onWarning }),
    }),
  );
}

async function take(context: Context, sender: Peer, options: ScpOptions): Promise<string[]> {
  const { signal, onProgress } = options;
  try {
    const rows = await loadImages(context, sender.stdout, {
      ...(signal && { signal }),
      ...(onProgress && { onProgress }),
    });
    await sender.ended();
    return rows.flatMap(({ id, names }) => (names.length > 0 ? names : [id]));
  } catch (error) {
    signal?.throwIfAborted();
    // What is no archive is what a program wrote that failed.
    if (VainaError.is(error, 'ERR_INVALID_IMAGE')) await sender.ended();
    throw error;
  }
}

/** Gives a program an archive; tells what it says that it has loaded. */
async function loadedBy(receiver: Peer, write: () => Promise<void>): Promise<string[]> {
  try {
    await write();
  } catch (error) {
    if (!isBroken(error)) throw error;
    // One that has ended by itself says better why than the pipe.
    await receiver.ended();
    const what = `${receiver.name} ended before it had read the image`;
    throw new VainaError('ERR_PEER_FAILED', what, { subject: receiver.name, cause: error });
  }
  const said = await receiver.ended();
  return [...said.matchAll(/^Loaded image(?:\(s\))?: (.+)$/gm)].map(([, name]) => name ?? '');
}

const BROKEN = ['EPIPE', 'ERR_STREAM_PREMATURE_CLOSE', 'ERR_STREAM_DESTROYED'];

function isBroken(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return BROKEN.includes((error as NodeJS.ErrnoException).code ?? '') || isBroken(error.cause);
}

/** A program that was started, with one of its streams to be used. */
class Peer implements AsyncDisposable {
  /** What it writes, where that is to be read. */
  readonly stdout = new PassThrough().on('error', () => undefined);
  /** For messages. */
  readonly name: string;
  readonly #child;
  readonly #end: Promise<number | null>;
  readonly #signal: AbortSignal | undefined;
  /** Without its pipes too, which programs of its own may hold open. */
  readonly #kill = (): void => {
    const { stdin, stdout, stderr } = this.#child;
    this.#child.kill();
    for (const pipe of [stdin, stdout, stderr]) pipe.destroy();
    if (this.#signal?.aborted) this.stdout.destroy(this.#signal.reason as Error);
  };
  #out = '';
  #said = '';

  /** @throws VainaError `ERR_HOST_UNSUPPORTED` when there is no such program */
  static async start(
    command: PeerCommand,
    direction: 'in' | 'out',
    signal: AbortSignal | undefined,
  ): Promise<Peer> {
    const peer = new Peer(command, direction, signal);
    try {
      await once(peer.#child, 'spawn');
    } catch (cause) {
      const what = `the program ${command.argv[0]} cannot be started`;
      throw new VainaError('ERR_HOST_UNSUPPORTED', what, { cause });
    }
    return peer;
  }

  private constructor(command: PeerCommand, direction: 'in' | 'out', signal: AbortSignal | undefined) {
    this.name = command.name;
    this.#signal = signal;
    const [program, ...words] = command.argv;
    this.#child = spawn(program, words, { cwd: '/', env: command.env, stdio: ['pipe', 'pipe', 'pipe'] });
    this.#end = new Promise((resolve) => this.#child.on('close', resolve));
    this.#child.stderr.on('data', (bytes: Buffer) => (this.#said = tail(this.#said, bytes)));
    this.#child.stdin.on('error', () => undefined);
    // Who waits for bytes that do not come would never know.
    signal?.addEventListener('abort', this.#kill, { once: true });
    if (direction === 'out') {
      this.#child.stdin.end();
      // Node.js throws away what nobody has begun to read when the program ends.
      this.#child.stdout.pipe(this.stdout);
    } else this.#child.stdout.on('data', (bytes: Buffer) => (this.#out = tail(this.#out, bytes)));
  }

  get stdin(): Writable {
    return this.#child.stdin;
  }

  /** Waits for its end; tells what it wrote to stdout where nobody else reads that. */
  async ended(): Promise<string> {
    const code = await this.#end;
    this.#signal?.throwIfAborted();
    const { name } = this;
    if (code === 0) return this.#out;
    const last = this.#said.trim().split('\n').at(-1) ?? '';
    throw new VainaError('ERR_PEER_FAILED', `${name} failed${last === '' ? '' : `: ${last}`}`, {
      subject: name,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#signal?.removeEventListener('abort', this.#kill);
    this.#kill();
    await this.#end;
  }
}

function tail(text: string, bytes: Buffer): string {
  return (text + bytes.toString()).slice(-MAX_TALK);
}

function invalid(message: string): VainaError {
  return new VainaError('ERR_INVALID_OPTION', message);
}
