import { stat } from 'node:fs/promises';
import { VainaError } from '../errors.js';
import { fileFailure } from '../oci/failure.js';
import { formatReference, referenceCandidates, withDefaultTag, type Reference } from '../oci/reference.js';
import { fetchEntry, fetchTop } from '../oci/resolve.js';
import type { ImageSource, RawManifest } from '../oci/types.js';
import { createLookaside } from '../signature/lookaside.js';
import { signSimple } from '../signature/simple.js';
import { endOptions } from './check-options.js';
import { formatImageName, parseImageName, referenceOf, type ImageName } from './name.js';
import { openSource } from './open.js';
import { transportOptions, withinTime, type EndOptions, type TransportOptions } from './options.js';

/** Options of {@link signImage}. */
export interface SignImageOptions extends EndOptions, TransportOptions {
  /** The key of gpg that signs: a fingerprint, or what gpg finds it by. */
  signBy: string;
  /** Of the key, one line. Default: the agent of gpg asks for it where it has to. */
  signPassphrase?: string;
  /** Sign each image of an index instead of what the name stands for; a single image is refused then. Default false. */
  all?: boolean;
  /** Directory that signatures are written below; it must exist. Default: what registries.d says for the image. */
  directory?: string;
  /** The registries.d directory (containers-registries.d(5)). Default: the user's, else the host's. */
  registriesDir?: string;
}

/** A signature that was made. */
export interface MadeSignature {
  /** Of the manifest or index that is signed. */
  digest: string;
  /** The file. */
  path: string;
}

/**
 * Signs an image where it is with a simple signature, and puts it into the look-aside storage of its registry, beside the
 * signatures that are there (podman-image-sign(1)). Nothing of the image changes.
 *
 * @param name - with its transport, one that knows what images of a registry it has: `docker://…`, `vaina:…`
 * @returns the signatures: one, or with `all` one for each image of the index
 * @throws VainaError `ERR_INVALID_OPTION` for an image without a name of a registry, and for `all` of a single image;
 * `ERR_NO_SUCH_PATH` for a missing directory; `ERR_INVALID_SIGNATURE` when gpg cannot sign with the key,
 * `ERR_HOST_UNSUPPORTED` without gpg; `ERR_UNSUPPORTED` where the storage is on a web server; else as {@link inspectImage}
 */
export async function signImage(name: string, options: SignImageOptions): Promise<MadeSignature[]> {
  const end = endOptions('signImage', options);
  const parsed = parseImageName(name);
  if (options.signBy === undefined) throw new VainaError('ERR_INVALID_OPTION', 'signBy: no key was given');
  const { all = false, directory, registriesDir } = options;
  if (directory !== undefined) await requireDirectory(directory);
  const lookaside = createLookaside({
    ...(directory !== undefined && { directory }),
    ...(registriesDir !== undefined && { registriesDir }),
    ...(end.env && { env: end.env }),
  });
  return withinTime(options, async (signal) => {
    const source = await openSource(parsed, { ...end, ...transportOptions(options, signal) });
    try {
      const reference = signedName(parsed, source, options);
      const made: MadeSignature[] = [];
      for (const raw of await manifestsOf(name, source, all, signal)) {
        const { bytes } = await sign(raw, reference, options, signal);
        made.push({ digest: raw.digest, path: await lookaside.add(reference, raw.digest, bytes) });
      }
      return made;
    } finally {
      await source.close();
    }
  });
}

async function sign(
  { bytes }: RawManifest,
  reference: Reference,
  { signBy, signPassphrase }: SignImageOptions,
  signal: AbortSignal | undefined,
): Promise<{ bytes: Buffer }> {
  return signSimple({
    manifest: bytes,
    reference: formatReference(reference),
    keyFingerprint: signBy,
    ...(signPassphrase !== undefined && { passphrase: signPassphrase }),
    ...(signal && { signal }),
  });
}

/** What the signature calls the image: the name of the user, also where it is read from a mirror. */
function signedName(name: ImageName, source: ImageSource, { store }: SignImageOptions): Reference {
  const kept = name.transport === 'vaina' ? (store?.references?.(name.image) ?? []) : [];
  const reference = referenceOf(name) ?? source.reference ?? calledBy(name, kept);
  if (reference) return withDefaultTag(reference);
  throw new VainaError(
    'ERR_INVALID_OPTION',
    `cannot determine what to call ${formatImageName(name)} in its signature: it has no name of a registry`,
  );
}

/** Of the names of an image, the one that it was asked for by. */
function calledBy(name: ImageName, names: readonly Reference[]): Reference | undefined {
  if (names.length < 2 || name.transport !== 'vaina') return names[0];
  const known = new Map(names.map((one) => [formatReference(one), one]));
  try {
    const asked = referenceCandidates(name.image).map((one) => known.get(formatReference(one)));
    return asked.find((one) => one !== undefined) ?? names[0];
  } catch {
    // An id is no reference.
    return names[0];
  }
}

async function manifestsOf(
  name: string,
  source: ImageSource,
  all: boolean,
  signal: AbortSignal | undefined,
): Promise<RawManifest[]> {
  const transfer = signal ? { signal } : {};
  const { raw, parsed } = await fetchTop(source, transfer);
  if (!all) return [raw];
  if (parsed.kind !== 'index')
    throw new VainaError(
      'ERR_INVALID_OPTION',
      `${name} is not a multi-architecture image (${raw.mediaType})`,
    );
  const manifests: RawManifest[] = [];
  for (const entry of parsed.index.manifests) manifests.push((await fetchEntry(source, entry, transfer)).raw);
  return manifests;
}

async function requireDirectory(path: string): Promise<void> {
  let isDirectory: boolean;
  try {
    isDirectory = (await stat(path)).isDirectory();
  } catch (error) {
    throw fileFailure(error, path);
  }
  if (!isDirectory)
    throw new VainaError('ERR_INVALID_OPTION', `directory: ${path} is no directory`, { path });
}
