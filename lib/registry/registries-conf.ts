import { VainaError } from '../errors.js';
import { isShortName, parseReference } from '../oci/reference.js';

/** What a short name that fits several registries means; see {@link RegistriesConfig.shortNameMode}. */
export type ShortNameMode = 'enforcing' | 'permissive' | 'disabled';

/** Another place that has the images of a registry. */
export interface RegistryMirror {
  /** `host[:port][/path]` that stands for the prefix of the rule. */
  location: string;
  /** As {@link RegistryRule.insecure}, for the mirror. Default false. */
  insecure?: boolean;
  /**
   * Which references the mirror is asked for: a tag may mean another image there than in the registry. Default `all`.
   */
  pullFromMirror?: 'all' | 'digest-only' | 'tag-only';
}

/** What is special about the images whose names start alike. */
export interface RegistryRule {
  /**
   * `host[:port][/path…][:tag|@digest]` that the name of an image starts with, or `*.host` for all below a domain. The
   * rule with the longest prefix is the one that counts. Default: `location`.
   */
  prefix?: string;
  /** What takes the place of the prefix when images are read. Default: the prefix itself. */
  location?: string;
  /** Whether the registry may have no TLS, or a certificate that is not valid. Default false. */
  insecure?: boolean;
  /** Whether these images must not be used at all. Default false. */
  blocked?: boolean;
  /** Asked in order before the registry itself, for reading only. */
  mirrors?: readonly RegistryMirror[];
  /** Whether mirrors are asked only for what has a digest. Default false. */
  mirrorByDigestOnly?: boolean;
}

/**
 * What containers-registries.conf(5) says, as an object for programs that want no files.
 */
export interface RegistriesConfig {
  /** `host[:port][/path]` that complete a name without a registry, in the order in which they are tried. */
  unqualifiedSearchRegistries?: readonly string[];
  /**
   * What a name without a registry does where several registries may have it: `enforcing` asks the user or fails,
   * `permissive` asks the user or tries all, `disabled` tries all. Default `permissive`.
   */
  shortNameMode?: ShortNameMode;
  /** Full names (without tag) by short name. An empty one takes away what another file says. */
  aliases?: Readonly<Record<string, string>>;
  /**
   * Credential helpers in the order in which they are asked; `containers-auth.json` stands for the files of
   * containers-auth.json(5). Default: these files only.
   */
  credentialHelpers?: readonly string[];
  /** Rules for registries and parts of them. */
  registries?: readonly RegistryRule[];
  /** Where the user's choices of short names are kept. Default: the usual file; for a configuration object none. */
  aliasFile?: string;
}

/** A rule with its defaults filled in. */
export interface Rule {
  prefix: string;
  /** Absent for a `*.host` that is not rewritten. */
  location?: string;
  insecure: boolean;
  blocked: boolean;
  mirrorByDigestOnly: boolean;
  mirrors: readonly Required<RegistryMirror>[];
}

/** An alias and where it is from; without a name it takes the ones before it away. */
export interface Alias {
  name: string | undefined;
  origin: string;
}

/** A configuration, checked and merged. */
export interface Registries {
  /** Absent where nobody says anything, which is not the same as an empty list. */
  search?: readonly string[];
  /** Which file the search registries are from, or would be. Absent where there is none. */
  origin?: string;
  mode: ShortNameMode;
  /** Whether somebody has said what the mode is. */
  modeGiven?: boolean;
  aliases: ReadonlyMap<string, Alias>;
  helpers: readonly string[];
  rules: readonly Rule[];
  aliasFile?: string;
}

/** The word for the files of containers-auth.json(5) among credential helpers. */
export const AUTH_FILES = 'containers-auth.json';

const MODES: readonly ShortNameMode[] = ['enforcing', 'permissive', 'disabled'];
const MIRROR_USES = ['all', 'digest-only', 'tag-only'] as const;
const HOST = String.raw`(?:\[[0-9a-fA-F:]{2,45}\]|[A-Za-z0-9](?:[A-Za-z0-9.-]{0,253}[A-Za-z0-9])?)(?::[0-9]{1,5})?`;
const LOCATION = new RegExp(`^${HOST}(?:/[^\\s/]+)*$`);
const WILDCARD = /^\*\.[A-Za-z0-9](?:[A-Za-z0-9.-]{0,253}[A-Za-z0-9])?$/;

/**
 * Checks one configuration and fills in what it leaves out. Values do not get into messages: a location may have a
 * password where it should have none.
 *
 * @param origin - what messages name: a path, or an option
 * @throws VainaError `ERR_INVALID_OPTION`
 */
export function checkConfig(config: RegistriesConfig, origin: string): Registries {
  const fail = (why: string): VainaError =>
    new VainaError('ERR_INVALID_OPTION', `registries configuration ${origin} is malformed: ${why}`, {
      path: origin,
    });
  const location = (text: string, where: string): string => {
    if (/^https?:\/\//i.test(text)) throw fail(`${where} is a URL: the scheme must be left away`);
    const trimmed = text.replace(/\/+$/, '');
    if (!LOCATION.test(trimmed)) throw fail(`${where} is not a host with an optional port and path`);
    return trimmed;
  };
  const {
    unqualifiedSearchRegistries: search,
    shortNameMode = 'permissive',
    credentialHelpers = [],
  } = config;
  if (!MODES.includes(shortNameMode)) throw fail(`short-name-mode must be ${MODES.join(', ')}`);
  const rules = (config.registries ?? []).map((rule, i) =>
    checkRule(rule, `registry ${i + 1}`, location, fail),
  );
  refuseContradictions(rules, fail);
  return {
    ...(search && { search: search.map((one) => location(one, 'an unqualified-search registry')), origin }),
    mode: shortNameMode,
    modeGiven: config.shortNameMode !== undefined,
    aliases: new Map(
      Object.entries(config.aliases ?? {}).map(([short, name]) => [
        checkShort(short, fail),
        { name: checkAlias(name, fail), origin },
      ]),
    ),
    helpers: credentialHelpers,
    rules,
    ...(config.aliasFile !== undefined && { aliasFile: config.aliasFile }),
  };
}

type Fail = (why: string) => VainaError;

function checkRule(
  rule: RegistryRule,
  where: string,
  location: (text: string, where: string) => string,
  fail: Fail,
): Rule {
  const { insecure = false, blocked = false, mirrorByDigestOnly = false, mirrors = [] } = rule;
  const place = rule.location ? location(rule.location, `the location of ${where}`) : undefined;
  let prefix = rule.prefix ? rule.prefix : (place ?? '');
  if (prefix === '') throw fail(`${where} has neither prefix nor location`);
  if (prefix.startsWith('*')) {
    if (!WILDCARD.test(prefix)) throw fail(`the prefix of ${where} is not of the form *.example.com`);
  } else {
    prefix = location(prefix, `the prefix of ${where}`);
  }
  const kept = place ?? (prefix.startsWith('*') ? undefined : prefix);
  return {
    prefix,
    ...(kept !== undefined && { location: kept }),
    insecure,
    blocked,
    mirrorByDigestOnly,
    mirrors: mirrors.map((mirror, i) => {
      const which = `mirror ${i + 1} of ${where}`;
      const { pullFromMirror = 'all' } = mirror;
      if (!MIRROR_USES.includes(pullFromMirror))
        throw fail(`pull-from-mirror of ${which} must be ${MIRROR_USES.join(', ')}`);
      if (mirrorByDigestOnly && mirror.pullFromMirror !== undefined)
        throw fail(`${where} has mirror-by-digest-only, so that ${which} cannot have pull-from-mirror`);
      return {
        location: location(mirror.location, `the location of ${which}`),
        insecure: mirror.insecure ?? false,
        pullFromMirror,
      };
    }),
  };
}

/** One place cannot be secure under one prefix and insecure under another. */
function refuseContradictions(rules: readonly Rule[], fail: Fail): void {
  const seen = new Map<string, Rule>();
  for (const [i, rule] of rules.entries()) {
    if (rule.location === undefined) continue;
    const other = seen.get(rule.location);
    seen.set(rule.location, other ?? rule);
    if (!other) continue;
    for (const setting of ['insecure', 'blocked'] as const) {
      if (other[setting] !== rule[setting])
        throw fail(`registry ${i + 1} contradicts an earlier one of the same location in ${setting}`);
    }
  }
}

function checkShort(short: string, fail: Fail): string {
  if (!isPlainName(short) || !isShortName(short))
    throw fail('an alias is not a short name without registry, tag and digest');
  return short;
}

function checkAlias(name: string, fail: Fail): string | undefined {
  if (name === '') return undefined;
  if (!isPlainName(name) || isShortName(name))
    throw fail('an alias stands for something else than a name with a registry, without tag and digest');
  return name;
}

function isPlainName(text: string): boolean {
  try {
    const { tag, digest } = parseReference(text);
    return tag === undefined && digest === undefined;
  } catch {
    return false;
  }
}
