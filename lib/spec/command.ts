import { VainaError } from '../errors.js';
import type { ImageRuntimeConfig } from '../oci/types.js';
import type { ContainerOptions } from './options.js';

/**
 * The argument vector of the container: entrypoint and command, those of the options before those of the image. An
 * entrypoint of the options drops the image's CMD; an empty one drops the image's entrypoint too.
 *
 * @throws ERR_INVALID_OPTION when there is none; ERR_INVALID_IMAGE when the image's is malformed
 */
export function compileCommand(
  options: Pick<ContainerOptions, 'command' | 'entrypoint'>,
  image: ImageRuntimeConfig | undefined,
): string[] {
  const given = normalize(options.entrypoint);
  const entrypoint = given ?? imageList(image?.Entrypoint, 'Entrypoint');
  const own = options.command !== undefined && options.command.length > 0 ? options.command : undefined;
  const command = own ?? (given === undefined ? imageList(image?.Cmd, 'Cmd') : []);
  const args = [...entrypoint, ...command];
  if (args.length === 0 || args[0] === '') {
    throw new VainaError('ERR_INVALID_OPTION', 'no command: neither the options nor the image have one', {
      subject: 'command',
    });
  }
  return args;
}

function normalize(entrypoint: ContainerOptions['entrypoint']): readonly string[] | undefined {
  if (entrypoint === undefined) return undefined;
  if (typeof entrypoint === 'string') return entrypoint === '' ? [] : [entrypoint];
  return entrypoint.length === 1 && entrypoint[0] === '' ? [] : entrypoint;
}

function imageList(value: unknown, name: string): readonly string[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value) && value.every((item) => typeof item === 'string' && !item.includes('\0'))) {
    return value as string[];
  }
  throw new VainaError('ERR_INVALID_IMAGE', `config.${name} of the image is no list of strings without NUL`);
}
