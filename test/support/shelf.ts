import type { Digest } from '../../lib/oci/types.js';
import type { RegistryServerOptions } from '../../lib/registry-server/options.js';
import { RegistryServer } from '../../lib/registry-server/server.js';
import { ask, type Answered, type Asking } from './registry-client.js';
import { Box } from './store-box.js';

/** A registry of a test's own over a store of its own. */
export class Shelf {
  readonly box = new Box();
  registry!: RegistryServer;
  origin = '';

  async open(options: RegistryServerOptions = {}): Promise<void> {
    if (this.registry === undefined) await this.box.open();
    else await this.registry.close();
    this.registry = new RegistryServer(this.box.store, options);
    this.origin = (await this.registry.listen()).url;
  }

  async close(): Promise<void> {
    await this.registry?.close();
    await this.box.close();
  }

  /** Names of the files of half-made things. */
  temporary(): string[] {
    return this.box
      .list('tmp')
      .filter((name) => !name.endsWith('.lock'))
      .flatMap((name) => this.box.list(`tmp/${name}`));
  }

  file(digest: string): string {
    return this.box.store.content.pathOf(digest as Digest);
  }

  ask(method: string, path: string, asking: Asking = {}): Promise<Answered> {
    return ask(this.origin, method, path, asking);
  }
}

/** A shelf for a suite. */
export function useShelf(options: RegistryServerOptions = {}): Shelf {
  const shelf = new Shelf();
  before(() => shelf.open(options));
  after(() => shelf.close());
  return shelf;
}
