import { VainaError } from '../errors.js';
import { REGISTRY_OPTIONS, type OptionKind } from '../registry/options.js';
import type { EndOptions } from './options.js';

/** Options of one end; what each of them may be. */
const END = {
  ...REGISTRY_OPTIONS,
  daemonHost: 'text',
  sharedBlobDirectory: 'text',
} as const satisfies Record<keyof EndOptions, OptionKind>;

const TRANSPORT = {
  store: 'object',
  storageLock: 'function',
  tmpDir: 'text',
  signal: 'object',
  timeoutMs: 'count',
} as const satisfies Record<string, OptionKind>;

const COPY = {
  ...TRANSPORT,
  all: 'flag',
  multiArch: ['system', 'all', 'index-only'],
  platform: 'text',
  format: ['oci', 'v2s2'],
  compression: 'object',
  decompress: 'flag',
  preserveDigests: 'flag',
  removeSignatures: 'flag',
  signBy: 'text',
  signBySigstorePrivateKey: 'text',
  signPassphrase: 'string',
  signIdentity: 'text',
  policy: 'any',
  insecurePolicy: 'flag',
  registriesDir: 'text',
  concurrency: 'count',
  onProgress: 'function',
  onStage: 'function',
  source: 'object',
  destination: 'object',
} as const satisfies Record<string, OptionKind>;

const VERBS = {
  copyImage: { ...COPY, additionalTags: 'texts', acceptUncompressedLayers: 'flag' },
  syncImages: {
    ...COPY,
    scoped: 'flag',
    appendSuffix: 'text',
    dryRun: 'flag',
    keepGoing: 'flag',
    onImage: 'function',
    onWarning: 'function',
  },
  inspectImage: {
    ...END,
    ...TRANSPORT,
    platform: 'text',
    tags: 'flag',
    signatures: 'flag',
    referrers: 'flag',
    raw: 'flag',
    config: 'flag',
    onWarning: 'function',
  },
  listTags: { ...END, ...TRANSPORT },
  deleteImage: { ...END, ...TRANSPORT },
  signImage: {
    ...END,
    ...TRANSPORT,
    signBy: 'text',
    signPassphrase: 'string',
    all: 'flag',
    directory: 'text',
    registriesDir: 'text',
  },
  source: END,
  destination: END,
} as const satisfies Record<string, Record<string, OptionKind>>;

type Verb = keyof typeof VERBS;

/** Throws ERR_INVALID_OPTION for an option that the verb does not have, or that is of the wrong type. */
export function checkOptions(verb: Verb, options: object): void {
  const known: Readonly<Record<string, OptionKind>> = VERBS[verb];
  for (const [name, value] of Object.entries(options) as [string, unknown][]) {
    const check = Object.hasOwn(known, name) ? known[name] : undefined;
    if (check === undefined) throw invalid(`there is no ${verb} option ${name}`);
    if (value === undefined || fits(value, check)) continue;
    const what = typeof check === 'string' ? `of type ${check}` : `one of ${check.join(', ')}`;
    throw invalid(`${verb} option ${name} is not ${what}`);
  }
}

/** Checks the options of a verb with one end, and takes those of the end out. */
export function endOptions(verb: Verb, options: object): EndOptions {
  checkOptions(verb, options);
  return Object.fromEntries(Object.entries(options).filter(([name]) => Object.hasOwn(END, name)));
}

function fits(value: unknown, check: OptionKind): boolean {
  switch (check) {
    case 'any':
      return true;
    case 'flag':
      return typeof value === 'boolean';
    case 'text':
      return typeof value === 'string' && value !== '' && !value.includes('\0');
    case 'string':
      return typeof value === 'string';
    case 'count':
      return typeof value === 'number' && Number.isFinite(value) && value >= 0;
    case 'texts':
      return Array.isArray(value) && value.every((one) => typeof one === 'string');
    case 'function':
      return typeof value === 'function';
    case 'object':
      return typeof value === 'object' && value !== null;
    default:
      return typeof value === 'string' && check.includes(value);
  }
}

function invalid(message: string): VainaError {
  return new VainaError('ERR_INVALID_OPTION', message);
}
