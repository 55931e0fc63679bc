import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { layoutFiles } from '../layout.js';
import type { StoreParts } from '../parts.js';
import type { CheckOptions, Findings, ProblemKind } from './problem.js';

/** How often, and after how many milliseconds, the layout is looked at again: who has just changed a name writes it next. */
const TRIES = 5;
const PAUSE_MS = 50;

/** Holds `index.json` and `oci-layout` against the catalogue. */
export async function checkLayout(parts: StoreParts, findings: Findings): Promise<void> {
  for (let left = TRIES; left > 0; left--) {
    const wrong = layoutFaults(parts);
    if (wrong.length === 0) return;
    if (left > 1) await sleep(PAUSE_MS);
    else for (const { path, what } of wrong) findings.add('layout-damaged', path, what);
  }
}

function layoutFaults(parts: StoreParts): { path: string; what: string }[] {
  const faults: { path: string; what: string }[] = [];
  for (const { path, text } of layoutFiles(parts.database, parts.paths)) {
    let found: string | undefined;
    try {
      found = readFileSync(path, 'utf8');
    } catch {
      found = undefined;
    }
    if (found === undefined) faults.push({ path, what: `${path} is missing or cannot be read` });
    else if (found !== text) faults.push({ path, what: `${path} is not what the catalogue says` });
  }
  return faults;
}

/** Looks for files below `images` and `layers` that nothing refers to. Nothing may be on its way meanwhile. */
export function checkStrays(parts: StoreParts, findings: Findings, { maxAge = 0 }: CheckOptions): void {
  const { database, paths } = parts;
  const digests = new Set(
    database.all('SELECT digest FROM blobs').map((row) => (row['digest'] as string).replace(':', '/')),
  );
  const chains = new Set(database.all('SELECT chain_id FROM layers').map((row) => row['chain_id'] as string));
  const now = Date.now();
  const stray = (kind: ProblemKind, path: string): void => {
    let changed: number;
    try {
      changed = lstatSync(path).ctimeMs;
    } catch {
      return;
    }
    if (now - changed >= maxAge) findings.add(kind, path, `nothing refers to ${path}`);
  };
  const only = (directory: string, names: readonly string[]): void => {
    for (const name of entriesOf(directory))
      if (!names.includes(name)) stray('stray-file', join(directory, name));
  };
  only(paths.images, ['oci-layout', 'index.json', 'blobs']);
  only(join(paths.images, 'blobs'), ['sha256', 'sha512']);
  for (const algorithm of ['sha256', 'sha512']) {
    const directory = join(paths.images, 'blobs', algorithm);
    for (const name of entriesOf(directory))
      if (!digests.has(`${algorithm}/${name}`)) stray('stray-blob', join(directory, name));
  }
  for (const name of entriesOf(paths.layers)) {
    if (!chains.has(name)) stray('stray-layer', join(paths.layers, name));
    else only(paths.layer(name), ['diff']);
  }
}

function entriesOf(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    // That it is missing shows in what should be in it.
    return [];
  }
}
