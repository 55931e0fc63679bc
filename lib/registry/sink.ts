import { pipeline, type Readable } from 'node:stream';
import { VainaError } from '../errors.js';
import { VerifyingStream } from '../oci/digest.js';
import { formatReference, parseReference, withDefaultTag, type Reference } from '../oci/reference.js';
import type {
  BlobRole,
  CommittedImage,
  Descriptor,
  Digest,
  ImageSink,
  SinkTakes,
  TransferOptions,
} from '../oci/types.js';
import { untilAborted } from '../util/until-aborted.js';
import { RegistryClient } from './client.js';
import { commitImage, checkSignatures } from './commit.js';
import { deadline, within } from './deadline.js';
import { Held } from './held.js';
import { checkStored } from './manifests.js';
import { referenceOf } from './open.js';
import { checkNames, type RegistrySinkOptions } from './options.js';
import { retrying, unwrapped } from './retry.js';
import { discard } from './transport.js';
import { cancelSession, hasBlob, sessionOf, Upload, type Session } from './upload.js';

/**
 * A place for an image in a registry (distribution-spec 1.1, push). A reference with neither tag nor digest is written
 * as `latest`; one with a digest takes only the image that has it.
 *
 * Blobs that the registry has are left out, those that another repository of it has (`mountFrom`) are mounted, the
 * others uploaded, each once. An upload goes on where it was cut; the bytes are held in a temporary file for that while
 * they come. The manifests follow at the commit: those of an index first, by their digests, and last what the name
 * stands for. Blobs of an image that was not committed stay until the registry collects its garbage.
 *
 * The sink fails with `ERR_UNAUTHORIZED`, `ERR_REGISTRY_UNREACHABLE`, `ERR_REGISTRY`, `ERR_DIGEST_MISMATCH`,
 * `ERR_TIMEOUT`, and with `ERR_UNSUPPORTED` for signatures that there is no place for.
 *
 * @param reference - a full one; a name without a registry is one of docker.io
 * @throws VainaError `ERR_INVALID_REFERENCE`, `ERR_INVALID_OPTION`
 */
export function registrySink(reference: string | Reference, options: RegistrySinkOptions = {}): ImageSink {
  checkNames('registrySink', options, ['mountFrom', 'chunkSize', 'tmpDir']);
  return new RegistrySink(withDefaultTag(referenceOf(reference)), options);
}

class RegistrySink implements ImageSink {
  readonly name: string;
  readonly takes: SinkTakes = { signatures: true };
  readonly #reference: Reference;
  readonly #client: RegistryClient;
  readonly #chunkSize: number;
  readonly #tmpDir: string | undefined;
  readonly #mountFrom: readonly string[];
  /** Blobs that are known to be there. */
  readonly #known = new Set<Digest>();
  /** Blobs that are being put. */
  readonly #putting = new Map<Digest, Promise<void>>();
  /** Uploads that a registry opened where it did not mount. */
  readonly #opened = new Map<Digest, Session>();
  readonly #cancelling = new Set<Promise<void>>();

  constructor(reference: Reference, options: RegistrySinkOptions) {
    const { chunkSize = Infinity, tmpDir, mountFrom = [] } = options;
    if (!(chunkSize === Infinity || (Number.isSafeInteger(chunkSize) && chunkSize > 0)))
      throw new VainaError('ERR_INVALID_OPTION', 'chunkSize must be a whole number of bytes from 1');
    this.name = `docker://${formatReference(reference)}`;
    this.#reference = reference;
    this.#client = new RegistryClient(reference.domain, reference.path, options);
    this.#chunkSize = chunkSize;
    this.#tmpDir = tmpDir;
    const others = mountFrom.map((other) => parseReference(other));
    const paths = others.filter(({ domain }) => domain === reference.domain).map(({ path }) => path);
    this.#mountFrom = [...new Set(paths)].filter((path) => path !== reference.path);
  }

  async hasBlob(descriptor: Descriptor, _about: BlobRole, options: TransferOptions = {}): Promise<boolean> {
    const { digest } = descriptor;
    if (this.#known.has(digest)) return true;
    const there = await this.#operation(`blob ${digest}`, options, async (signal) => {
      const putting = this.#putting.get(digest);
      if (putting && (await settled(putting, signal))) return true;
      const found = await retrying(this.#client.settings, signal, () =>
        hasBlob(this.#client, descriptor, signal),
      );
      return found || (await this.#mount(descriptor, signal));
    });
    if (there) this.#known.add(digest);
    return there;
  }

  async putBlob(
    descriptor: Descriptor,
    content: Readable,
    _about: BlobRole,
    options: TransferOptions = {},
  ): Promise<void> {
    const { digest } = descriptor;
    const time = deadline(this.#client.settings, `${this.name}: blob ${digest}`, options.signal);
    const verified = new VerifyingStream(descriptor);
    // What goes wrong shows in what is read of it.
    pipeline(content, verified, () => undefined);
    try {
      for (let other = this.#putting.get(digest); other; other = this.#putting.get(digest)) {
        if (!(await settled(other, time.signal))) continue;
        await readAway(verified);
        return;
      }
      const put = this.#upload(descriptor, verified, time.signal);
      this.#putting.set(digest, put);
      await put.finally(() => this.#putting.delete(digest));
      this.#known.add(digest);
    } catch (error) {
      time.signal.throwIfAborted();
      throw error;
    } finally {
      time.clear();
      verified.destroy();
    }
  }

  async commit(image: CommittedImage, options: TransferOptions = {}): Promise<void> {
    checkSignatures(image, this.#client.settings, this.name);
    await this.#operation('commit', options, (signal) =>
      commitImage(this.#client, this.#reference, image, signal),
    );
  }

  async close(): Promise<void> {
    for (const session of this.#opened.values()) this.#cancel(session);
    this.#opened.clear();
    await Promise.all(this.#cancelling);
    await this.#client.close();
  }

  /** Whether another repository of the registry had it. A registry that does not mount opens an upload in its place. */
  async #mount({ digest }: Descriptor, signal: AbortSignal): Promise<boolean> {
    for (const from of this.#mountFrom) {
      try {
        const query = new URLSearchParams({ mount: digest, from });
        const answer = await this.#client.request(`blobs/uploads/?${query.toString()}`, {
          method: 'POST',
          scopes: `${this.#client.scope('pull,push')} ${this.#client.scope('pull', from)}`,
          signal,
          accept: [201, 202],
        });
        discard(answer);
        const before = this.#opened.get(digest);
        if (before) this.#cancel(before);
        this.#opened.delete(digest);
        if (answer.status === 201) {
          checkStored(answer, digest);
          return true;
        }
        this.#opened.set(digest, sessionOf(answer, this.#client.settings.tlsVerify));
      } catch (error) {
        signal.throwIfAborted();
        // Not to be allowed to read the other one, or not to know how to mount, is no failure: it is uploaded.
        const failure = unwrapped(error);
        if (!VainaError.is(failure, 'ERR_REGISTRY') && !VainaError.is(failure, 'ERR_UNAUTHORIZED'))
          throw failure;
      }
    }
    return false;
  }

  async #upload(descriptor: Descriptor, content: Readable, signal: AbortSignal): Promise<void> {
    const { digest, size } = descriptor;
    const session = this.#opened.get(digest);
    this.#opened.delete(digest);
    const held = new Held(content, size, this.#tmpDir);
    const upload = new Upload(this.#client, descriptor, held, {
      session,
      chunkSize: this.#chunkSize,
      signal,
    });
    try {
      await upload.run();
      // One that was there already although we were told that it was not.
      await held.whole();
    } catch (error) {
      if (upload.session) this.#cancel(upload.session);
      throw error;
    } finally {
      await held.close();
    }
  }

  /** Nobody waits for it but {@link close}. */
  #cancel(session: Session): void {
    const cancelling = cancelSession(this.#client, session).finally(() =>
      this.#cancelling.delete(cancelling),
    );
    this.#cancelling.add(cancelling);
  }

  #operation<T>(
    what: string,
    { signal }: TransferOptions,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    return within(this.#client.settings, `${this.name}: ${what}`, signal, work);
  }
}

/** Waits for somebody else's work: whether it went well. */
async function settled(work: Promise<void>, signal: AbortSignal): Promise<boolean> {
  const well = work.then(
    () => true,
    () => false,
  );
  return untilAborted(well, signal);
}

/** Reads a stream to its end, to see whether it is what it should be. */
async function readAway(content: Readable): Promise<void> {
  for await (const _chunk of content as AsyncIterable<Buffer>);
}
