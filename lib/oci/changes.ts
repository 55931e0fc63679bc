import { constants } from 'node:os';
import { posix } from 'node:path';
import { VainaError } from '../errors.js';
import { quote } from '../util/text.js';
import type { ImageRuntimeConfig } from './types.js';

type Change = (config: ImageRuntimeConfig, value: string) => void;

const CHANGES: ReadonlyMap<string, Change> = new Map<string, Change>([
  ['CMD', (config, value) => (config.Cmd = commandOf(value))],
  ['ENTRYPOINT', (config, value) => (config.Entrypoint = commandOf(value))],
  ['ENV', setEnv],
  [
    'EXPOSE',
    (config, value) => (config.ExposedPorts = withKeys(config.ExposedPorts, wordsOf(value).flatMap(portsOf))),
  ],
  [
    'LABEL',
    (config, value) => (config.Labels = { ...config.Labels, ...Object.fromEntries(pairsOf('LABEL', value)) }),
  ],
  ['ONBUILD', (config, value) => (config.OnBuild = [...(config.OnBuild ?? []), value])],
  ['STOPSIGNAL', (config, value) => (config.StopSignal = signalOf(value))],
  ['USER', (config, value) => (config.User = value)],
  ['VOLUME', (config, value) => (config.Volumes = withKeys(config.Volumes, listOf(value) ?? wordsOf(value)))],
  ['WORKDIR', (config, value) => (config.WorkingDir = posix.resolve('/', config.WorkingDir ?? '/', value))],
]);

/**
 * Applies instructions in the syntax of a Containerfile to the configuration of an image: CMD, ENTRYPOINT, ENV, EXPOSE,
 * LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME and WORKDIR, as `podman import --change` takes them; `USER=name` is the
 * same as `USER name`.
 *
 * @returns the new configuration; the old one stays as it is
 * @throws VainaError `ERR_INVALID_OPTION`
 */
export function applyChanges(config: ImageRuntimeConfig, changes: readonly string[]): ImageRuntimeConfig {
  const changed = { ...config };
  for (const change of changes) {
    const [, word = '', rest = ''] = /^\s*([A-Za-z]+)(?:\s+|=)([^]*)$/.exec(change) ?? [];
    const apply = CHANGES.get(word.toUpperCase());
    if (apply === undefined)
      throw invalid(change, `the instruction must be one of ${[...CHANGES.keys()].join(', ')}`);
    const value = rest.trim();
    if (value === '') throw invalid(change, 'it has no value');
    if (value.includes('\0')) throw invalid(change, 'it has a NUL character');
    try {
      apply(changed, value);
    } catch (error) {
      throw VainaError.is(error) ? error : invalid(change, (error as Error).message);
    }
  }
  return changed;
}

/** The JSON form is the command itself; any other text is one for the shell. */
function commandOf(value: string): string[] {
  return listOf(value) ?? ['/bin/sh', '-c', value];
}

/** A JSON array of strings; undefined when the text is none. */
function listOf(value: string): string[] | undefined {
  if (!value.startsWith('[')) return undefined;
  let list: unknown;
  try {
    list = JSON.parse(value);
  } catch {
    return undefined;
  }
  if (!Array.isArray(list) || !list.every((word) => typeof word === 'string')) {
    throw new Error('the JSON array must hold only strings');
  }
  return list;
}

function setEnv(config: ImageRuntimeConfig, value: string): void {
  const pairs = pairsOf('ENV', value);
  const names = new Set(pairs.map(([name]) => name));
  const kept = (config.Env ?? []).filter((entry) => !names.has(entry.split('=', 1)[0] ?? ''));
  config.Env = [...kept, ...[...new Map(pairs)].map(([name, text]) => `${name}=${text}`)];
}

/** `a=b c="d e"`, or the old form `a b c`, where all that follows the name is the value. */
function pairsOf(what: string, value: string): [string, string][] {
  const words = wordsOf(value);
  const [first = ''] = words;
  if (!first.includes('=')) {
    const old = /^(\S+)\s+([^]+)$/.exec(value);
    if (old?.[1] === undefined || old[2] === undefined) throw new Error(`${what} must be name=value`);
    return [[old[1], old[2]]];
  }
  return words.map((word) => {
    const equals = word.indexOf('=');
    if (equals < 1) throw new Error(`${quote(word)} is not name=value`);
    return [word.slice(0, equals), word.slice(equals + 1)];
  });
}

/** Splits at white space; quotes and backslashes keep it. */
function wordsOf(text: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let open = '';
  for (let i = 0; i < text.length; i++) {
    const char = text.charAt(i);
    if (char === '\\' && open !== "'" && i + 1 < text.length) {
      word = (word ?? '') + text.charAt(++i);
    } else if (open !== '') {
      if (char === open) open = '';
      else word = (word ?? '') + char;
    } else if (char === '"' || char === "'") {
      open = char;
      word ??= '';
    } else if (/\s/.test(char)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else {
      word = (word ?? '') + char;
    }
  }
  if (open !== '') throw new Error('a quote is not closed');
  if (word !== undefined) words.push(word);
  return words;
}

/** `80`, `80/udp` or `8000-8010/tcp` as keys of ExposedPorts. */
function portsOf(text: string): string[] {
  const match = /^([0-9]{1,5})(?:-([0-9]{1,5}))?(?:\/(tcp|udp|sctp))?$/.exec(text);
  const from = Number(match?.[1]);
  const to = Number(match?.[2] ?? from);
  if (!match || from < 1 || to > 65535 || to < from) throw new Error(`${quote(text)} is not a port`);
  return Array.from({ length: to - from + 1 }, (_, i) => `${from + i}/${match[3] ?? 'tcp'}`);
}

function signalOf(text: string): string {
  const upper = text.toUpperCase();
  const name = upper.startsWith('SIG') ? upper : `SIG${upper}`;
  const isNumber = /^[0-9]{1,2}$/.test(text) && Number(text) >= 1 && Number(text) <= 64;
  const isRealTime = /^SIGRT(?:MIN(?:\+[0-9]{1,2})?|MAX(?:-[0-9]{1,2})?)$/.test(name);
  if (isNumber) return text;
  if (isRealTime || Object.hasOwn(constants.signals, name)) return name;
  throw new Error(`${quote(text)} is not a signal`);
}

function withKeys(
  set: Record<string, object> | null | undefined,
  keys: readonly string[],
): Record<string, object> {
  return { ...set, ...Object.fromEntries(keys.map((key) => [key, {}])) };
}

function invalid(change: string, why: string): VainaError {
  return new VainaError('ERR_INVALID_OPTION', `change ${quote(change)} is malformed: ${why}`);
}
