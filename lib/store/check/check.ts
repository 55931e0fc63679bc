import type { StoreParts } from '../parts.js';
import { checkBlobs } from './blobs.js';
import { checkCatalogue } from './catalogue.js';
import { checkLayout, checkStrays } from './files.js';
import { checkLayers } from './layers.js';
import { type CheckOptions, Findings, type Problem } from './problem.js';

/**
 * Looks at all of a store, and tells what is wrong with it: rows, documents, blobs, trees, the OCI layout, and files that
 * nothing refers to. Changes nothing. Others may use the store meanwhile; while an image comes in, stray files are not
 * looked for, since they may be its own.
 *
 * @throws the signal's reason when it was aborted; `ERR_NO_SPACE` with `trees`
 */
export async function checkStore(parts: StoreParts, options: CheckOptions = {}): Promise<Problem[]> {
  const findings = new Findings(parts);
  const { signal } = options;
  signal?.throwIfAborted();
  const alone = parts.tryStopTransfers();
  if (alone) {
    try {
      await checkLayout(parts, findings);
      checkStrays(parts, findings, options);
    } finally {
      alone.release();
    }
  }
  // What is here now stays here.
  await using _lock = await parts.lockTransfers(signal);
  checkCatalogue(parts, findings, options.quick ?? false);
  await checkBlobs(parts, findings, options);
  await checkLayers(parts, findings, options);
  return findings.problems;
}
