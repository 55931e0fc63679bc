import { invalid } from './invalid.js';

/** A closed interval of processor numbers. */
export type Interval = readonly [number, number];

/**
 * Parses a list of processors such as `0-2,4` as intervals: never expanded, however wide it is.
 *
 * @returns sorted, merged intervals, or undefined when the text is no such list
 */
export function parseCpuset(text: string): Interval[] | undefined {
  if (text.length > 4096) return undefined;
  const intervals: [number, number][] = [];
  for (const part of text.split(',')) {
    const match = /^(\d{1,10})(?:-(\d{1,10}))?$/.exec(part.trim());
    if (!match) return undefined;
    const first = Number(match[1]);
    const last = Number(match[2] ?? match[1]);
    if (first > last) return undefined;
    intervals.push([first, last]);
  }
  intervals.sort((a, b) => a[0] - b[0]);
  const merged: [number, number][] = [];
  for (const [first, last] of intervals) {
    const previous = merged.at(-1);
    if (previous && first <= previous[1] + 1) previous[1] = Math.max(previous[1], last);
    else merged.push([first, last]);
  }
  return merged;
}

/**
 * The list in the kernel's own form, after a look at which processors are online.
 *
 * @throws ERR_INVALID_OPTION when one of them is not
 */
export function checkedCpuset(text: string, online: string): string {
  const wanted = parseCpuset(text);
  if (!wanted)
    throw invalid('cpuset', `cpuset ${JSON.stringify(text.slice(0, 80))} is no list such as 0-2,4`);
  const present = parseCpuset(online) ?? [];
  for (const [first, last] of wanted) {
    if (!present.some(([from, to]) => from <= first && last <= to)) {
      throw invalid('cpuset', `cpuset ${text} names processors that are not online (${online} are)`);
    }
  }
  return wanted.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`)).join(',');
}
