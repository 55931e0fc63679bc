import { lstatSync, mkdirSync, renameSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Readable } from 'node:stream';
import { VainaError } from '../../errors.js';
import type { Descriptor } from '../../oci/types.js';
import { ioFailure } from '../io-failure.js';
import type { StoreParts } from '../parts.js';
import { syncStore } from '../publish-layers.js';
import { checkStore } from './check.js';
import { mendBlob } from './mend-blob.js';
import { mendLayer } from './mend-layer.js';
import { mendCatalogue, mendConfig, mendImage, mendList, mendManifest, mendName } from './mend-rows.js';
import { PROBLEM_KINDS, type Problem } from './problem.js';

/** How a store is mended. */
export interface RepairOptions {
  /**
   * Gets a blob from elsewhere, such as the registry that one of the names is of, and tells whether it was kept. What is
   * not the blob `keep` refuses with `ERR_DIGEST_MISMATCH`; something else may be given to it then.
   */
  fetch?: (
    blob: Descriptor,
    names: readonly string[],
    keep: (content: Readable) => Promise<void>,
  ) => Promise<boolean>;
  /** Stops it. */
  signal?: AbortSignal;
}

/** What became of a problem. */
export interface Repair {
  /** What was wrong. */
  problem: Problem;
  /** Whether it was mended. */
  mended: boolean;
  /** How it was mended, or why it was not. */
  how: string;
}

/** What mends need beside the store. */
export interface Mending extends RepairOptions {
  parts: StoreParts;
  /** Moves a damaged file or tree to `quarantine`; tells where it is now, undefined when there was nothing. */
  quarantine(path: string): string | undefined;
}

/** How often it is looked again for what else is wrong. */
const PASSES = 4;

/**
 * Mends what can be mended: what is damaged is moved to `quarantine`, documents are taken from the catalogue and the
 * catalogue's copies from the blobs, layers are unpacked again from their blobs, blobs are fetched again, strays are
 * removed and the OCI layout is written anew. Nothing is dropped: what could not be mended stays as it was, or is missing
 * where it was damaged.
 */
export async function repairStore(
  parts: StoreParts,
  problems: readonly Problem[],
  options: RepairOptions = {},
): Promise<Repair[]> {
  const mending: Mending = { ...options, parts, quarantine: (path) => quarantine(parts, path) };
  const repairs: Repair[] = [];
  {
    // Nothing that is mended may be collected meanwhile.
    await using _lock = await parts.lockTransfers(options.signal);
    let left = problems;
    for (let pass = 0; pass < PASSES && left.length > 0; pass++) {
      for (const problem of left.toSorted((a, b) => rankOf(a) - rankOf(b))) {
        options.signal?.throwIfAborted();
        repairs.push(await mendOne(mending, problem));
      }
      // What was wrong may have hidden something else, which must be mended before garbage is removed.
      const tried = new Set(repairs.filter(({ mended }) => !mended).map(({ problem }) => keyOf(problem)));
      const found = await checkStore(parts, {
        quick: true,
        ...(options.signal ? { signal: options.signal } : {}),
      });
      left = found.filter((problem) => !tried.has(keyOf(problem)));
    }
  }
  await parts.collectGarbage();
  await parts.writeLayout();
  // What is told to be mended stays so after a power loss.
  await syncStore(parts);
  return repairs;
}

/** First what others are made from. */
function rankOf({ kind }: Problem): number {
  return PROBLEM_KINDS.indexOf(kind);
}

/** A blob that was damaged and could not be had again is missing now: that is the same problem. */
function keyOf({ kind, id }: Problem): string {
  return `${kind.startsWith('blob-') ? 'blob' : kind} ${id}`;
}

async function mendOne(mending: Mending, problem: Problem): Promise<Repair> {
  try {
    const how = await mend(mending, problem);
    return { problem, mended: true, how };
  } catch (error) {
    mending.signal?.throwIfAborted();
    if (!VainaError.is(error) || error.code === 'ERR_NO_SPACE') throw error;
    return { problem, mended: false, how: error.message };
  }
}

/** Tells how; throws when it cannot be mended. */
async function mend(mending: Mending, problem: Problem): Promise<string> {
  switch (problem.kind) {
    case 'catalogue-damaged':
      return mendCatalogue(mending.parts);
    case 'blob-missing':
    case 'blob-size':
    case 'blob-digest':
    case 'blob-unreadable':
      return mendBlob(mending, problem);
    case 'config-damaged':
      return mendConfig(mending.parts, problem.id);
    case 'manifest-damaged':
      return mendManifest(mending.parts, problem);
    case 'image-inconsistent':
      return mendImage(mending.parts, problem.id);
    case 'index-damaged':
      mending.parts.database.run(
        'UPDATE manifests SET index_digest = NULL WHERE index_digest = ?',
        problem.id,
      );
      return 'the images no longer name the index';
    case 'name-damaged':
      return mendName(mending.parts, problem.id);
    case 'layer-inconsistent':
    case 'image-layers':
    case 'layer-missing':
    case 'layer-changed':
    case 'layer-differs':
      return mendLayer(mending, problem);
    case 'stray-file':
      return `it was moved to ${mending.quarantine(problem.id) ?? 'nowhere: it is gone'}`;
    case 'stray-blob':
    case 'stray-layer':
      return 'it is removed with what else is garbage';
    case 'layout-damaged':
      return 'it is written anew';
    case 'list-damaged':
      return mendList(mending.parts, problem.id);
    case 'signature-damaged':
      mending.parts.database.run('DELETE FROM signatures WHERE digest = ?', problem.id);
      return 'the signatures were removed: pull or copy the image again to have them';
    case 'container-damaged':
      throw unmendable('only removing the container would mend it');
  }
}

/** The error of what cannot be mended. */
export function unmendable(why: string): VainaError {
  return new VainaError('ERR_STORE_DAMAGED', why);
}

function quarantine(parts: StoreParts, path: string): string | undefined {
  const { paths } = parts;
  if (!exists(path)) return undefined;
  const stamp = new Date().toISOString().replace(/[:.]/g, '-');
  try {
    mkdirSync(paths.quarantine, { recursive: true, mode: 0o700 });
    for (let count = 0; ; count++) {
      const to = join(paths.quarantine, `${stamp}-${count}`);
      try {
        // A directory for each thing: a rename would replace what has the name.
        mkdirSync(to, { mode: 0o700 });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'EEXIST') continue;
        throw error;
      }
      renameSync(path, join(to, basename(path)));
      return join(to, basename(path));
    }
  } catch (error) {
    throw ioFailure(error, path);
  }
}

function exists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}
