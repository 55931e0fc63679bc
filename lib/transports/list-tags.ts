import { VainaError } from '../errors.js';
import { parseReference, repositoryOf } from '../oci/reference.js';
import { endOptions } from './check-options.js';
import { parseImageName } from './name.js';
import {
  registryOptions,
  transportOptions,
  withinTime,
  type EndOptions,
  type TransportOptions,
} from './options.js';
import { listTags as ask } from '../registry/list.js';
import { openArchive } from '../oci/archive.js';

/** Options of {@link listTags}. */
export interface ListTagsOptions extends EndOptions, TransportOptions {}

/** The tags of a repository, or the names in an archive. */
export interface TagList {
  /** `host/path`; only for a registry. */
  repository?: string;
  /** Tags of the repository, in the registry's order; full names with tags of the images in an archive. */
  tags: string[];
}

/**
 * Lists the tags of a repository (`docker://REPOSITORY`) or the names in a `docker-archive:` (skopeo-list-tags(1)).
 *
 * @throws VainaError `ERR_INVALID_REFERENCE` for a name with tag or digest, `ERR_UNSUPPORTED` for other transports;
 * else as {@link inspectImage}
 */
export async function listTags(name: string, options: ListTagsOptions = {}): Promise<TagList> {
  const end = endOptions('listTags', options);
  const parsed = parseImageName(name);
  return withinTime(options, async (signal) => {
    if (parsed.transport === 'docker') {
      const given = parseReference(name.slice('docker://'.length));
      if (given.tag !== undefined || given.digest !== undefined) {
        throw new VainaError('ERR_INVALID_REFERENCE', `${name}: no tag or digest allowed in reference`, {
          subject: name,
        });
      }
      const tags = await ask(parsed.reference, registryOptions(end, signal));
      return { repository: repositoryOf(parsed.reference), tags };
    }
    if (parsed.transport === 'docker-archive') {
      const archive = await openArchive(parsed.path, transportOptions(options, signal));
      try {
        if (archive.format !== 'docker-archive') {
          throw new VainaError('ERR_INVALID_IMAGE', `${parsed.path} is no docker-archive`, {
            path: parsed.path,
          });
        }
        return { tags: archive.images.flatMap(({ names }) => names) };
      } finally {
        await archive.close();
      }
    }
    throw new VainaError(
      'ERR_UNSUPPORTED',
      `unsupported transport '${parsed.transport}' for tag listing. Only supported: docker, docker-archive`,
    );
  });
}
