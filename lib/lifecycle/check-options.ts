import {
  checkMembers,
  filled,
  flag,
  integer,
  list,
  map,
  number,
  text,
  word,
  type Check,
} from '../spec/checks.js';
import { VainaError } from '../errors.js';
import { invalid } from '../spec/invalid.js';
import { REGISTRY_ACCESS } from './image-registry-options.js';

/** What cannot be checked beforehand, or is checked where it is used. */
const anything: Check = () => undefined;

const MAX = Number.MAX_SAFE_INTEGER;
const TRANSFER = { signal: anything, onProgress: anything };
const CHECK = { quick: flag, trees: flag, maxAge: integer(0, MAX), signal: anything };
const LIST_ENTRY = {
  ...{ os: filled, arch: filled, variant: filled, osVersion: filled },
  ...{ osFeatures: list(filled), features: list(filled), annotations: map(filled, text) },
};
const TRUST = { trustPolicy: anything, insecurePolicy: flag, registriesDir: filled };
const STDIO = { stdio: triple, rows: integer(0, 65_535), columns: integer(0, 65_535) };

/** Options of the verbs that are no container options: by verb, what each may be. */
const OPTIONS = {
  engine: { ...TRUST, root: anything, runroot: anything },
  pull: {
    ...TRANSFER,
    ...REGISTRY_ACCESS,
    ...TRUST,
    policy: word('always', 'missing', 'never', 'newer'),
    allTags: flag,
    platform: filled,
    decryptionKeys: encryption,
    chooseShortName: anything,
    onTry: anything,
  },
  push: {
    ...TRANSFER,
    ...REGISTRY_ACCESS,
    all: flag,
    format: anything,
    compression: anything,
    concurrency: integer(1, MAX),
    removeSignatures: flag,
    signBy: filled,
    signBySigstorePrivateKey: filled,
    signPassphrase: anything,
    signIdentity: filled,
    registriesDir: filled,
    encryptLayers: encryption,
    encryptionKeys: encryption,
  },
  save: {
    ...TRANSFER,
    format: word('docker-archive', 'oci-archive', 'oci-dir', 'docker-dir'),
    compress: flag,
    uncompressed: flag,
    additionalTags: anything,
    onWarning: anything,
  },
  load: { ...TRANSFER, trustPolicy: anything, insecurePolicy: flag },
  import: {
    ...TRANSFER,
    reference: filled,
    changes: anything,
    message: anything,
    os: filled,
    arch: filled,
    variant: filled,
  },
  scp: { ...TRANSFER, engine: word('vaina', 'podman'), onWarning: anything },
  start: STDIO,
  attach: { stdio: triple },
  wait: { signal: anything },
  collect: {
    input: anything,
    encoding: anything,
    maxBuffer: integer(0, MAX),
    timeoutMs: number(0, MAX),
    signal: anything,
  },
  logs: {
    follow: flag,
    since: date,
    until: date,
    tail: integer(0, MAX),
    stdout: flag,
    stderr: flag,
    signal: anything,
  },
  stop: { timeout: number(0, MAX) },
  remove: { force: flag, timeout: number(0, MAX) },
  removeImage: { force: flag },
  check: CHECK,
  listCreate: { ...REGISTRY_ACCESS, all: flag, amend: flag, annotations: map(filled, text) },
  listAdd: { ...LIST_ENTRY, ...REGISTRY_ACCESS, all: flag },
  listAnnotate: LIST_ENTRY,
  imageTree: { whatRequires: flag },
  unmountImage: { force: flag },
  pruneImages: { all: flag, filters: pruneFilters },
  repair: { ...CHECK, ...REGISTRY_ACCESS, force: flag },
} as const satisfies Record<string, Record<string, Check>>;

/** Throws ERR_INVALID_OPTION for an option that the verb does not have, or that is of the wrong type. */
export function checkOptions(verb: keyof typeof OPTIONS, options: object): void {
  checkMembers(`${verb} option`, options, OPTIONS[verb]);
}

/** Of options of two kinds, those that are the verb's, and the others. */
export function splitOptions<Own extends object, Others extends object>(
  verb: keyof typeof OPTIONS,
  options: Own & Others,
): [Own, Others] {
  const own: Record<string, unknown> = {};
  const others: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(options))
    (Object.hasOwn(OPTIONS[verb], name) ? own : others)[name] = value;
  return [own as Own, others as Others];
}

function pruneFilters(value: unknown): void {
  checkMembers('filter', value, { until: date, label: list(filled), labelNot: list(filled), dangling: flag });
}

function encryption(_value: unknown, name: string): void {
  throw new VainaError('ERR_UNSUPPORTED', `option ${name}: there is no encryption of layers`);
}

function triple(value: unknown, name: string): void {
  if (!Array.isArray(value) || value.length !== 3)
    throw invalid(name, `option ${name} is not three of a kind`);
}

function date(value: unknown, name: string): void {
  if (!(value instanceof Date) || Number.isNaN(value.getTime()))
    throw invalid(name, `option ${name} is no date`);
}
