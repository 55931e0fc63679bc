import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { Store } from '../../lib/store/store.js';
import { output } from './peer-copies.js';
import type { Podman } from './podman.js';
import { readTree } from './trees.js';

/** A tree of files as text; see {@link readTree}. */
export type Tree = Map<string, string>;

/** The tree of an image of our store, as a container sees it: its layers under overlayfs. */
export function treeOfStore(store: Store, name: string, scratch: string): Tree {
  const lower = store.layers.lowerDirectories(store.images.find(name).image.id);
  if (lower.length === 1) return readTree(lower[0] as string);
  const directory = mkdtempSync(join(scratch, 'lower-'));
  const root = join(directory, 'root');
  mkdirSync(root);
  // Forty whole paths are more than mount(2) takes.
  for (const [i, path] of lower.entries()) symlinkSync(path, join(directory, String(i)));
  const names = lower.map((_, i) => i).join(':');
  execFileSync('mount', ['-t', 'overlay', 'overlay', '-o', `ro,lowerdir=${names}`, 'root'], {
    cwd: directory,
  });
  try {
    return readTree(root);
  } finally {
    execFileSync('umount', [root]);
    rmSync(directory, { recursive: true });
  }
}

/** The tree that umoci unpacks of an image in a layout. */
export async function treeOfUmoci(layout: string, tag: string, bundle: string): Promise<Tree> {
  await output('umoci', ['unpack', '--image', `${layout}:${tag}`, bundle]);
  return readTree(join(bundle, 'rootfs'));
}

/** The tree of an image that podman has, as it mounts it. */
export function treeOfPodman(podman: Podman, id: string): Tree {
  const path = podman.output('image', 'mount', id).trim();
  try {
    return readTree(path);
  } finally {
    podman.output('image', 'unmount', id);
  }
}
