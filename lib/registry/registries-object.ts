import { VainaError } from '../errors.js';
import { quote } from '../util/text.js';
import type { RegistriesConfig } from './registries-conf.js';

type Kind = 'text' | 'needed' | 'flag' | 'texts' | 'map' | { each: Shape };
type Shape = Readonly<Record<string, Kind>>;

const MIRROR: Shape = { location: 'needed', insecure: 'flag', pullFromMirror: 'text' };
const RULE: Shape = {
  prefix: 'text',
  location: 'text',
  insecure: 'flag',
  blocked: 'flag',
  mirrors: { each: MIRROR },
  mirrorByDigestOnly: 'flag',
};
const CONFIG: Shape = {
  unqualifiedSearchRegistries: 'texts',
  shortNameMode: 'text',
  aliases: 'map',
  credentialHelpers: 'texts',
  registries: { each: RULE },
  aliasFile: 'text',
};

/**
 * Checks the object that a program gave as configuration: every member is known and of its type. What the values mean
 * is checked with those of files.
 *
 * @throws VainaError `ERR_INVALID_OPTION`
 */
export function checkObject(config: RegistriesConfig): RegistriesConfig {
  check(config, CONFIG, 'registries');
  return config;
}

function check(value: unknown, shape: Shape, where: string): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong(where, 'an object');
  const missing = Object.keys(shape).find((name) => shape[name] === 'needed' && !Object.hasOwn(value, name));
  if (missing !== undefined) throw wrong(`${where}.${missing}`, 'a string');
  for (const [name, member] of Object.entries(value)) {
    if (member === undefined) continue;
    const kind = Object.hasOwn(shape, name) ? shape[name] : undefined;
    if (kind === undefined)
      throw new VainaError('ERR_INVALID_OPTION', `unknown member ${quote(name)} of option ${where}`);
    checkKind(member, kind, `${where}.${name}`);
  }
}

function checkKind(value: unknown, kind: Kind, where: string): void {
  if (kind === 'text' || kind === 'needed') {
    if (typeof value !== 'string') throw wrong(where, 'a string');
  } else if (kind === 'flag') {
    if (typeof value !== 'boolean') throw wrong(where, 'true or false');
  } else if (kind === 'map') {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong(where, 'an object');
    for (const member of Object.values(value)) checkKind(member, 'text', where);
  } else {
    if (!Array.isArray(value)) throw wrong(where, 'a list');
    for (const [i, member] of value.entries()) {
      if (kind === 'texts') checkKind(member, 'text', `${where}[${i}]`);
      else check(member, kind.each, `${where}[${i}]`);
    }
  }
}

function wrong(where: string, what: string): VainaError {
  return new VainaError('ERR_INVALID_OPTION', `option ${where} must be ${what}`);
}
