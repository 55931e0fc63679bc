import { Writable } from 'node:stream';
import { CommandError } from '../errors.js';
import { flag } from '../flags.js';
import type { SaveOptions } from '../../index.js';
import { progressPrinter } from '../progress.js';
import { verb, type Session } from '../verb.js';

type SaveFormat = NonNullable<SaveOptions['format']>;

const FORMATS = ['oci-dir', 'oci-archive', 'docker-dir', 'docker-archive'] as const;

interface SaveGiven {
  compress?: boolean;
  format?: string;
  multiImageArchive?: boolean;
  output?: string;
  quiet?: boolean;
  uncompressed?: boolean;
}

/** `vaina save` */
export const save = verb<SaveGiven>({
  usage: 'IMAGE [IMAGE...]',
  flags: [
    flag('--compress', 'Compress layers that are not, in a docker-dir'),
    flag(
      '--format <string>',
      'Save image to oci-archive, oci-dir (directory with oci manifest type), docker-archive, docker-dir (directory with v2s2 manifest type) (default "docker-archive")',
      'string',
    ),
    flag(
      '-m, --multi-image-archive',
      'Interpret additional arguments as images not tags and create a multi-image-archive (only for docker-archive)',
    ),
    flag(
      '-o, --output <string>',
      'Write to a specified file (default: stdout, which must be redirected)',
      'string',
    ),
    flag('-q, --quiet', 'Suppress the output'),
    flag('--uncompressed', 'Accept uncompressed layers when copying OCI images'),
  ],
  async run(session, args, given) {
    const [first, ...others] = args;
    if (first === undefined) throw new CommandError('need at least 1 argument');
    const { output, multiImageArchive: multi = false } = given;
    const options = saveOptions(given);
    const { format } = options;
    if (multi && others.length > 0 && format !== 'docker-archive') {
      throw new CommandError(
        `unsupported format "${format}" for saving multiple images (only docker-archive)`,
      );
    }
    if (!multi && others.length > 0 && format !== 'docker-archive')
      throw new CommandError(`additional tags are only for the format docker-archive, not ${format}`);
    const target = output ?? stdout(session, format);
    const engine = await session.engine();
    await session.abortable((signal) =>
      engine.images.save(multi ? args : [first], target, {
        ...options,
        ...(!multi && others.length > 0 && { additionalTags: others }),
        ...(given.quiet ? {} : { onProgress: progressPrinter(session) }),
        onWarning: session.warn,
        signal,
      }),
    );
    return 0;
  },
});

function saveOptions(given: SaveGiven): SaveOptions & { format: SaveFormat } {
  const { compress, uncompressed, output, format = 'docker-archive' } = given;
  const known = FORMATS.find((one) => one === format);
  if (known === undefined) throw new CommandError(`format value must be one of ${FORMATS.join(' ')}`);
  if (compress && known !== 'docker-dir')
    throw new CommandError("--compress can only be set when --format is 'docker-dir'");
  if (uncompressed && !known.startsWith('oci-'))
    throw new CommandError("--uncompressed can only be set when --format is 'oci-dir' or 'oci-archive'");
  if (output?.includes(':')) throw new CommandError(`invalid filename (should not contain ':') "${output}"`);
  return { format: known, ...(compress && { compress }), ...(uncompressed && { uncompressed }) };
}

/** Standard output as a stream. It is written to at once: whoever reads it makes the pace. */
function stdout(session: Session, format: SaveFormat): Writable {
  if (format.endsWith('-dir')) throw new CommandError(`the format ${format} is a directory: use the -o flag`);
  if (session.host.isTerminal(1))
    throw new CommandError('refusing to save to terminal. Use -o flag or redirect');
  return new Writable({
    write(chunk: Uint8Array, _encoding, done) {
      try {
        session.out(chunk);
        done();
      } catch (error) {
        done(error as Error);
      }
    },
  });
}
