import { containmentCases } from './layer-corpus/containment.js';
import { formatCases } from './layer-corpus/format.js';
import { limitCases } from './layer-corpus/limits.js';
import { markCases } from './layer-corpus/marks.js';
import type { LayerCase, Places } from './layer-corpus/types.js';

export type { LayerCase, Places } from './layer-corpus/types.js';

/**
 * Layers that were made to do harm, or that programs have read in different ways: each with the one right answer.
 * None carries anything but names; what could be reached is a sentinel.
 */
export function layerCorpus(places: Places): LayerCase[] {
  return [...containmentCases(places), ...formatCases(), ...limitCases(), ...markCases()];
}
