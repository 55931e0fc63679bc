import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { native } from '../../lib/native/index.js';
import { copy } from '../../lib/oci/copy.js';
import { hexOf } from '../../lib/oci/digest.js';
import type { ImageSource } from '../../lib/oci/types.js';
import { Store } from '../../lib/store/store.js';
import { type TestImage, tarOf } from './images.js';
import { makeDirectory, removeDirectory } from './programs.js';

/** A store of a test's own. Its directory is made when it is needed first, and removed when the box is closed. */
export class Box {
  store!: Store;
  readonly #root: string | undefined;
  #directory: string | undefined;

  /** @param root - where the store is; default: in a directory of its own */
  constructor(root?: string) {
    this.#root = root;
  }

  get directory(): string {
    return (this.#directory ??= makeDirectory());
  }

  get root(): string {
    return this.#root ?? join(this.directory, 'root');
  }

  get runroot(): string {
    return join(this.directory, 'run');
  }

  async open(): Promise<Store> {
    return (this.store = await Store.open({ root: this.root, runroot: this.runroot, native: native() }));
  }

  async take(source: ImageSource, names: readonly string[] = [], signal?: AbortSignal): Promise<void> {
    await copy(source, this.store.sink({ names, ...(signal ? { signal } : {}) }), signal ? { signal } : {});
  }

  list(path: string): string[] {
    return readdirSync(join(this.root, path)).sort();
  }

  /** Nothing of any image, half-made or whole. */
  expectEmpty(): void {
    expect(this.store.images.list()).to.deep.equal([]);
    expect(this.store.layers.list()).to.deep.equal([]);
    expect(this.store.content.list()).to.deep.equal([]);
    expect(this.list('layers')).to.deep.equal([]);
    expect(this.list('images/blobs/sha256')).to.deep.equal([]);
    for (const name of this.list('tmp'))
      expect(this.list(`tmp/${name}`.replace(/\.lock$/, ''))).to.deep.equal([]);
  }

  async close(): Promise<void> {
    if (this.#directory === undefined) return;
    await this.store?.close();
    expect(this.list('tmp')).to.deep.equal([]);
    removeDirectory(this.#directory);
    this.#directory = undefined;
  }
}

/** A store for each test of a suite. */
export function useBox(): Box {
  const box = new Box();
  beforeEach(() => box.open());
  afterEach(() => box.close());
  return box;
}

/** The id that an image has in a store. */
export const idOf = (image: TestImage): string => hexOf(image.config.descriptor.digest);

/** A layer of one file. */
export const layer = (name: string, content = name): Promise<Buffer> => tarOf([{ name, content }]);

/** Fails where the peer is not installed. */
export function requireProgram(name: 'skopeo' | 'zstd'): void {
  execFileSync(name, ['--version'], { stdio: 'ignore' });
}
