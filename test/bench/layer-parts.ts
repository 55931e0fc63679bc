import { mkdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { cost } from './cost.js';
import type { Report } from './report.js';

/**
 * What the parts of a pull take when a program of its own does each, one after another, of the same layers; and how long
 * our pull took against their sum.
 *
 * @param pull - seconds
 */
export function measureParts(
  report: Report,
  layers: readonly string[],
  host: string,
  directory: string,
  samples: number,
  pull: number,
): void {
  const plain = join(directory, 'plain');
  mkdirSync(plain);
  const shell = (script: string, ...args: readonly string[]): (() => number) => {
    return () => cost('sh', ['-euc', script, 'sh', ...args]).wall;
  };
  const urls = layers.map((path) => `http://${host}/v2/bench/blobs/sha256:${basename(path)}`);
  cost('sh', ['-euc', `for l; do gzip -dc "$l" >${plain}/$(basename "$l"); done`, 'sh', ...layers]);
  let trees = 0;
  const parts: Record<string, () => number> = {
    'network (curl)': shell('for u; do curl -sS -o /dev/null "$u"; done', ...urls),
    'hash (sha256sum, as they came and unpacked)': shell(`sha256sum "$@" ${plain}/*`, ...layers),
    'inflate (gzip -dc)': shell('for l; do gzip -dc "$l" >/dev/null; done', ...layers),
    'files (tar -x)': () => {
      const tree = join(directory, `tree-${trees++}`);
      mkdirSync(tree);
      return shell(`for t in ${plain}/*; do tar -xpf "$t" -C "$1" --numeric-owner --overwrite; done`, tree)();
    },
  };
  const sums = Array.from({ length: samples }, () => 0);
  for (const [name, measure] of Object.entries(parts)) {
    const times = sums.map(measure);
    times.forEach((time, i) => (sums[i] = (sums[i] ?? 0) + time));
    report.add(`part of a pull: ${name}`, 's', times);
  }
  const sum = report.add('part of a pull: the sum', 's', sums);
  report.add('pull: vaina, beside the sum of its parts', 's', [pull], sum, 'the sum');
}
