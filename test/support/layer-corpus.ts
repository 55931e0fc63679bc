import { containmentCases } from './layer-corpus/containment.js';
import { formCases } from './layer-corpus/forms.js';
import { headerCases } from './layer-corpus/headers.js';
import { limitCases } from './layer-corpus/limits.js';
import { markCases } from './layer-corpus/marks.js';
import { sparseCases } from './layer-corpus/sparse.js';
import type { LayerCase, Places } from './layer-corpus/types.js';

export type { LayerCase, Places } from './layer-corpus/types.js';

/**
 * Layers that were made to do harm, or that programs have read in different ways: each with the one right answer.
 * None carries anything but names; what could be reached is a sentinel.
 */
export function layerCorpus(places: Places): LayerCase[] {
  return [
    ...containmentCases(places),
    ...headerCases(),
    ...formCases(),
    ...sparseCases(),
    ...limitCases(),
    ...markCases(),
  ];
}
