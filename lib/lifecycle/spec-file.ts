import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { VainaError } from '../errors.js';
import type { OciSpec } from '../spec/oci-spec.js';
import { formatSpec, parseSpec } from '../spec/spec-json.js';
import { filesOf, type Context } from './context.js';
import { lockContainer } from './lock.js';

/** How many specs an engine keeps in memory: each is some 30 kB. */
const KEPT = 256;

/**
 * The file of a new container's runtime spec, empty until {@link save}. It may be removed before that: the descriptor finds
 * it wherever it is.
 */
export class SpecFile implements Disposable {
  readonly #spec: OciSpec;
  #fd: number;

  constructor(path: string, spec: OciSpec) {
    this.#spec = spec;
    this.#fd = openSync(path, 'wx', 0o600);
  }

  /** Writes the spec, once. */
  save(): void {
    writeFileSync(this.#fd, formatSpec(this.#spec));
    this[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = -1;
  }
}

/** Keeps the spec of a container in memory; the oldest makes room. */
export function keepSpec({ specs }: Context, id: string, spec: OciSpec): void {
  const [oldest] = specs.keys();
  if (specs.size >= KEPT && oldest !== undefined) specs.delete(oldest);
  specs.set(id, spec);
}

/** The runtime spec of a container, as it was written when it was made. */
export function readSpec(context: Context, id: string): OciSpec {
  const known = context.specs.get(id);
  if (known) return known;
  const path = filesOf(context, id).config;
  let spec: OciSpec;
  try {
    spec = parseSpec(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new VainaError('ERR_STORE_DAMAGED', `the spec ${path} of the container cannot be read`, {
      path,
      hint: 'remove the container with force',
      cause: error,
    });
  }
  keepSpec(context, id, spec);
  return spec;
}

/** As {@link readSpec}; one that its maker is still writing is waited for. */
export async function settledSpec(context: Context, id: string): Promise<OciSpec> {
  try {
    return readSpec(context, id);
  } catch (error) {
    if (!VainaError.is(error, 'ERR_STORE_DAMAGED')) throw error;
    await using _lock = await lockContainer(context, id);
    return readSpec(context, id);
  }
}
