import { mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { VainaError } from '../errors.js';
import type { Lock } from '../store/locks.js';
import type { Context } from './context.js';
import { publishImage } from './events.js';

/** An image that is mounted. */
export interface MountedImage {
  /** 64 hexadecimal digits. */
  id: string;
  /** Full references, sorted. */
  names: readonly string[];
  /** Where its root file system is. */
  path: string;
  /** How often it was mounted and not unmounted since. */
  count: number;
}

/** Where an image is mounted, whether it is or not. */
function placeOf(context: Context, id: string): string {
  return join(context.root, 'mounts', id);
}

/** How often; beside what a reboot takes away as well. */
function recordOf(context: Context, id: string): string {
  return join(context.runroot, 'mounts', id);
}

/** Mounts the layers of an image, read-only; one that is mounted is counted once more. Tells where. */
export async function mountImage(context: Context, id: string): Promise<string> {
  context.store.images.require(id);
  if (context.host.rootless) {
    throw new VainaError(
      'ERR_UNSUPPORTED',
      `the image ${id} cannot be mounted by an ordinary user: the kernel lets only a user namespace mount it, and nobody outside of that would see it`,
      { hint: 'run as root' },
    );
  }
  await using _lock = await lockMounts(context);
  const place = placeOf(context, id);
  const count = countOf(context, id);
  if (count === 0) {
    mkdirSync(place, { recursive: true, mode: 0o700 });
    const trees = context.store.layers.lowerDirectories(id).map((tree) => relative(context.root, tree));
    if (trees.length === 0) throw new VainaError('ERR_UNSUPPORTED', `the image ${id} has no layers to mount`);
    // An overlay has two layers at least: an empty directory below changes nothing.
    if (trees.length === 1) {
      const empty = join(context.root, 'mounts', 'empty');
      mkdirSync(empty, { recursive: true, mode: 0o555 });
      trees.push(relative(context.root, empty));
    }
    await context.store.worker((worker) => worker.mount(relative(context.root, place), trees));
  }
  mkdirSync(join(context.runroot, 'mounts'), { recursive: true, mode: 0o700 });
  writeFileSync(recordOf(context, id), String(count + 1), { mode: 0o600 });
  publishImage('mount', id);
  return place;
}

/**
 * Takes back one mount; the last one is unmounted.
 * @returns false when it is not mounted
 */
export async function unmountImage(
  context: Context,
  id: string,
  options: { force?: boolean },
): Promise<boolean> {
  await using _lock = await lockMounts(context);
  const count = countOf(context, id);
  if (count === 0) return false;
  if (count > 1 && !options.force) {
    writeFileSync(recordOf(context, id), String(count - 1), { mode: 0o600 });
    return true;
  }
  const place = placeOf(context, id);
  await context.store.worker((worker) => worker.unmount(relative(context.root, place)));
  forget(context, id);
  publishImage('unmount', id);
  return true;
}

/** The images that are mounted; what a reboot or crash has left of others is removed. */
export async function mountedImages(context: Context): Promise<MountedImage[]> {
  await using _lock = await lockMounts(context);
  let ids: string[];
  try {
    ids = readdirSync(join(context.root, 'mounts')).filter((name) => name !== 'empty');
  } catch {
    return [];
  }
  return ids.flatMap((id) => {
    const count = countOf(context, id);
    if (count === 0) {
      forget(context, id);
      return [];
    }
    return [{ id, names: context.store.images.get(id)?.names ?? [], path: placeOf(context, id), count }];
  });
}

/** How often it is mounted. The kernel says whether it is at all. */
export function countOf(context: Context, id: string): number {
  const place = placeOf(context, id);
  const escaped = place.replace(/[\s\\]/g, (char) => `\\${char.charCodeAt(0).toString(8).padStart(3, '0')}`);
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  if (!mounts.some((line) => line.split(' ')[4] === escaped)) return 0;
  try {
    return Math.max(1, Number(readFileSync(recordOf(context, id), 'utf8')) || 1);
  } catch {
    return 1;
  }
}

function forget(context: Context, id: string): void {
  rmSync(recordOf(context, id), { force: true });
  try {
    rmdirSync(placeOf(context, id));
  } catch {
    /* somebody's shell is in it, or it is gone */
  }
}

async function lockMounts(context: Context): Promise<Lock> {
  return context.store.locks.acquire('mounts');
}
