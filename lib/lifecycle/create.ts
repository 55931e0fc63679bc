import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync } from 'node:fs';
import { VainaError } from '../errors.js';
import type { ContainerOptions } from '../spec/options.js';
import type { OciSpec } from '../spec/oci-spec.js';
import { compilePolicy } from '../spec/policy.js';
import { compileSpec } from '../spec/spec.js';
import { validateContainerOptions } from '../spec/validate.js';
import { ioFailure } from '../store/io-failure.js';
import type { Lock } from '../store/locks.js';
import type { ImageRow } from '../store/images.js';
import { insertContainer, type Entry } from './catalogue.js';
import { containerFacts, type RootSource } from './container-facts.js';
import { filesOf, type Context } from './context.js';
import { publish } from './events.js';
import { makeOverlayDirectories, pathsOf, writeManagedFiles } from './files.js';
import { lockContainer } from './lock.js';
import { randomName } from './names.js';
import { prepareHost } from './prepare.js';
import type { ContainerState } from './records.js';
import { treesOf } from './root-source.js';
import { keepSpec, SpecFile } from './spec-file.js';

/** An image that a container is made of, and the name it was asked for by. */
export interface ChosenImage {
  row: ImageRow;
  name: string;
}

/** A container that was made, its runtime spec, and its lock. */
export interface Created {
  entry: Entry;
  spec: OciSpec;
  /** Held from before anybody could see the container. */
  lock: Lock;
  /** Of one that is about to start: to be saved by who starts it, and to be disposed of. */
  specFile: SpecFile;
}

/**
 * Makes a container: its files, its spec, its entry in the catalogue. Nothing of it stays when that fails.
 * @param state - as it is entered: whoever starts it at once, under the lock that is returned, says so here. The spec is not
 * written yet then: that takes as long as anything here, and there is time for it when the monitor is at work
 */
export async function createContainer(
  context: Context,
  image: ChosenImage | undefined,
  given: ContainerOptions,
  state: ContainerState = { status: 'created' },
): Promise<Created> {
  const options = validateContainerOptions(given);
  if ((image === undefined) === (options.rootfs === undefined)) {
    throw new VainaError('ERR_INVALID_OPTION', 'a container is made of either an image or rootfs', {
      op: 'container.create',
    });
  }
  const id = randomBytes(32).toString('hex');
  const name = options.name ?? randomName();
  const host = prepareHost(context);
  const source = rootSource(context, image, options);
  const facts = containerFacts(context, { id, name }, source, options);
  const files = filesOf(context, id);
  const paths = pathsOf(context, id, source, options);
  const spec = compileSpec(options, facts, host, paths);
  const policy = compilePolicy(options, facts, paths);

  await using _creating = await context.store.locks.acquire('containers', { shared: true });
  mkdirSync(files.directory, { mode: 0o700 });
  const lock = await lockContainer(context, id);
  let specFile: SpecFile | undefined;
  try {
    makeOverlayDirectories(files, source, options);
    specFile = new SpecFile(files.config, spec);
    if (state.status === 'created') specFile.save();
    writeManagedFiles(files, options, spec.hostname ?? name, name);
    const entry: Entry = {
      record: {
        id,
        name,
        createdAt: Date.now(),
        ...(image ? { imageId: image.row.id, imageName: image.name } : {}),
        options,
        policy,
        command: spec.process.args,
        labels: { ...source.image?.Labels, ...options.labels },
      },
      state,
    };
    insertContainer(context, entry, { givenName: options.name !== undefined });
    publish('create', id, { name: entry.record.name });
    keepSpec(context, id, spec);
    return { entry, spec, lock, specFile };
  } catch (error) {
    lock.release();
    specFile?.[Symbol.dispose]();
    rmSync(files.directory, { recursive: true, force: true });
    throw ioFailure(error, files.directory);
  }
}

/** What the root file system is made of. */
function rootSource(context: Context, image: ChosenImage | undefined, options: ContainerOptions): RootSource {
  const trees = treesOf(context, image?.row.id, options);
  if (!image) return { trees };
  const { config } = image.row.config;
  return { trees, imageId: image.row.id, ...(config ? { image: config } : {}) };
}
