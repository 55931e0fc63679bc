import { atMost } from '../arguments.js';
import { CommandError } from '../errors.js';
import { imageFilters } from '../filters.js';
import { flag } from '../flags.js';
import { formatRows, wantsJson } from '../format.js';
import { json } from '../template.js';
import { verb } from '../verb.js';
import { byName, IMAGE_HEADINGS, imageFields, imageJson, type NamedImage } from './images-row.js';

interface ImagesGiven {
  all?: boolean;
  digests?: boolean;
  filter?: string[];
  format?: string;
  history?: boolean;
  noheading?: boolean;
  quiet?: boolean;
  sort?: string;
  /** `--no-trunc` */
  trunc?: boolean;
}

const text = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

const ORDERS: Record<string, (a: NamedImage, b: NamedImage) => number> = {
  created: (a, b) => b.image.created.getTime() - a.image.created.getTime(),
  id: (a, b) => text(a.image.id, b.image.id),
  repository: (a, b) => text(a.repository, b.repository),
  size: (a, b) => a.image.size - b.image.size,
  tag: (a, b) => text(a.tag, b.tag),
};

/** `vaina images` */
export const images = verb<ImagesGiven>({
  usage: '[IMAGE]',
  flags: [
    flag('-a, --all', 'Show all images, also those without a name that came with a manifest list'),
    flag('--digests', 'Show digests'),
    flag('-f, --filter <strings>', 'Filter output based on conditions provided', 'list'),
    flag('--format <string>', 'Change the output format to JSON or a Go template', 'string'),
    flag('--history', 'Display the image name history: its names, for the store keeps no earlier ones'),
    flag('--no-trunc', 'Do not truncate output'),
    flag('-n, --noheading', 'Do not print column headings'),
    flag('-q, --quiet', 'Display only image IDs'),
    flag('--sort <string>', `Sort by ${Object.keys(ORDERS).join(', ')} (default "created")`, 'string'),
  ],
  async run(session, args, given) {
    atMost(args, 1);
    const order = ORDERS[given.sort ?? 'created'];
    if (!order || !Object.hasOwn(ORDERS, given.sort ?? 'created')) {
      throw new CommandError(
        `"${given.sort}" is not a valid field for sorting. Choose from: ${Object.keys(ORDERS).join(', ')}`,
      );
    }
    const engine = await session.engine();
    const filters = imageFilters(given.filter, session.host.now());
    const found = (await engine.images.list(given.all ? { ...filters, all: true } : filters)).flatMap(byName);
    const rows = found.filter((row) => matches(row, args[0])).toSorted(order);
    const now = session.host.now();
    if (wantsJson(given.format)) {
      session.print(json([...new Set(rows.map((row) => row.image))].map(imageJson), 4));
      return 0;
    }
    const fields = rows.map((row) => imageFields(row, now, given.trunc ?? true));
    if (given.quiet && given.format === undefined) {
      for (const id of new Set(fields.map((row) => String(row['ID'])))) session.print(id);
      return 0;
    }
    const digest = given.digests ? '{{.Digest}}\t' : '';
    const format =
      given.format ??
      `table {{.Repository}}\t{{.Tag}}\t${digest}{{.ID}}\t{{.CreatedSince}}\t{{.Size}}${given.history ? '\t{{.History}}' : ''}`;
    session.out(formatRows('images', format, fields, IMAGE_HEADINGS, !(given.noheading ?? false)));
    return 0;
  },
});

/** Whether a name, perhaps without registry and tag, or an id means this line. */
function matches({ image, repository, tag }: NamedImage, wanted: string | undefined): boolean {
  if (wanted === undefined) return true;
  if (image.id.startsWith(wanted.replace(/^sha256:/, ''))) return true;
  const ends = (name: string): boolean => name === wanted || name.endsWith(`/${wanted}`);
  return ends(repository) || ends(`${repository}:${tag}`);
}
