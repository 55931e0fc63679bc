import { oneArgument } from '../arguments.js';
import { CommandError } from '../errors.js';
import { flag } from '../flags.js';
import { formatRows, headingsOf, wantsJson } from '../format.js';
import type { SearchFilter, SearchResult } from '../../registry/index.js';
import { json } from '../template.js';
import { accessOptions, type AccessGiven } from '../transfer.js';
import { verb } from '../verb.js';

interface SearchGiven extends Omit<AccessGiven, 'creds'> {
  compatible?: boolean;
  filter?: string[];
  format?: string;
  limit?: number;
  listTags?: boolean;
  /** `--no-trunc` */
  trunc?: boolean;
}

/** Longest description that is shown whole. */
const MAX_DESCRIPTION = 44;

/** `vaina search` */
export const search = verb<SearchGiven>({
  usage: 'TERM',
  flags: [
    flag(
      '--authfile <string>',
      'Path of the authentication file. Use REGISTRY_AUTH_FILE environment variable to override',
      'string',
    ),
    flag('--cert-dir <Pathname>', 'Pathname of a directory containing TLS certificates and keys', 'string'),
    flag('--compatible', 'List stars, official and automated columns (Docker compatibility)'),
    flag('-f, --filter <strings>', 'Filter output based on conditions provided (default [])', 'slice'),
    flag('--format <string>', 'Change the output format to JSON or a Go template', 'string'),
    flag('--limit <int>', 'Limit the number of results', 'int'),
    flag('--list-tags', 'List the tags of the input registry'),
    flag('--no-trunc', 'Do not truncate the output'),
    flag('--tls-verify', 'Require HTTPS and verify certificates when contacting registries (default true)'),
  ],
  async run(session, args, given) {
    const term = oneArgument(args);
    const { filter: filters = [], listTags = false, limit = 0, trunc = true, format } = given;
    if (listTags && filters.length > 0)
      throw new CommandError('filters are not applicable to list tags result');
    const filter = searchFilters(filters);
    const rows = await session.abortable((signal) =>
      session.jobs.registries.search(term, {
        signal,
        ...(limit > 0 ? { limit } : {}),
        ...(listTags ? { listTags } : {}),
        ...(filters.length > 0 ? { filter } : {}),
        ...accessOptions(given),
        onFailure: (registry, error) =>
          session.warn(
            `couldn't search registry "${registry}": ${error instanceof Error ? error.message : String(error)}`,
          ),
      }),
    );
    if (rows.length === 0) return 0;
    if (wantsJson(format)) {
      session.print(json(listTags ? byName(rows) : rows.map((row) => fieldsOf(row, false)), 4));
      return 0;
    }
    const fields = rows.map((row) => fieldsOf(row, trunc));
    const headings = headingsOf(fields[0] ?? {}, {});
    session.out(formatRows('search', format ?? defaultFormat(given), fields, headings));
    return 0;
  },
});

function defaultFormat({ listTags, compatible }: SearchGiven): string {
  if (listTags) return 'table {{.Name}}\t{{.Tag}}';
  const more = compatible ? '\t{{.Stars}}\t{{.Official}}\t{{.Automated}}' : '';
  return `table {{.Name}}\t{{.Description}}${more}`;
}

/** What the templates of `search` can print. */
function fieldsOf(row: SearchResult, truncate: boolean): Record<string, string | number> {
  const { description } = row;
  const long = truncate && description.length > MAX_DESCRIPTION;
  return {
    Index: row.index,
    Name: row.name,
    Description: long ? `${description.slice(0, MAX_DESCRIPTION).trim()}...` : description,
    Stars: row.stars,
    Official: row.official ? '[OK]' : '',
    Automated: row.automated ? '[OK]' : '',
    Tag: row.tag ?? '',
  };
}

/** The tags of each name together, for JSON. */
function byName(rows: readonly SearchResult[]): object[] {
  const tags = new Map<string, string[]>();
  for (const { name, tag = '' } of rows) tags.set(name, [...(tags.get(name) ?? []), tag]);
  return [...tags].map(([Name, Tags]) => ({ Name, Tags }));
}

/** Reads podman's `--filter` of searches. */
function searchFilters(texts: readonly string[]): SearchFilter {
  const filters: SearchFilter = {};
  for (const text of texts) {
    const [key, value] = text.split(/=(.*)/s, 2);
    if (key === 'is-automated') filters.isAutomated = value !== 'false';
    else if (key === 'is-official') filters.isOfficial = value !== 'false';
    else if (key !== 'stars') throw new CommandError(`invalid filter type "${text}"`);
    else if (value === undefined)
      throw new CommandError(`invalid filter ${JSON.stringify(texts)}, should be stars=<value>`);
    else if (!/^[+-]?\d{1,9}$/.test(value))
      throw new CommandError(
        `incorrect value type for stars filter: strconv.Atoi: parsing "${value}": invalid syntax`,
      );
    else filters.stars = Number(value);
  }
  return filters;
}
