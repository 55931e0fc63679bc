import { createHash } from 'node:crypto';
import { hexOf } from '../oci/digest.js';
import type { Digest } from '../oci/types.js';

/**
 * The chain ids (OCI image-spec, config.md) of a stack of layers, the lowest first, as hexadecimal text: what each layer
 * is together with those below it.
 */
export function chainIds(diffIds: readonly Digest[]): string[] {
  const chain: string[] = [];
  let above: string | undefined;
  for (const diffId of diffIds) {
    above =
      above === undefined
        ? hexOf(diffId)
        : createHash('sha256').update(`sha256:${above} ${diffId}`).digest('hex');
    chain.push(above);
  }
  return chain;
}
