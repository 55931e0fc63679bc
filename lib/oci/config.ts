import { parsePlatform, withoutNulls } from './descriptor.js';
import { parseDigest } from './digest.js';
import {
  arrayAt,
  asObject,
  malformed,
  member,
  optionalMap,
  optionalString,
  optionalStrings,
  parseObject,
  readObject,
  readString,
  stringAt,
} from './guards.js';
import { MAX_CONFIG_BYTES, MAX_ENTRIES, MAX_LAYERS } from './limits.js';
import type { HistoryEntry, ImageConfig, ImageRuntimeConfig } from './types.js';

const STRINGS = ['User', 'WorkingDir', 'StopSignal'] as const;
const LISTS = ['Env', 'Entrypoint', 'Cmd', 'Shell', 'OnBuild'] as const;
const SETS = ['ExposedPorts', 'Volumes'] as const;

/**
 * Parses an image configuration (image-spec config.md; Docker's is a superset) that came from outside. Members that
 * the engine does not know are kept; those that are null are left away.
 *
 * @param bytes - at most 4 MiB
 * @throws VainaError `ERR_INVALID_IMAGE`
 */
export function parseImageConfig(bytes: Uint8Array, where = 'image configuration'): ImageConfig {
  const object = parseObject(bytes, MAX_CONFIG_BYTES, where);
  const rootfs = asObject(member(object, 'rootfs'), `${where}.rootfs`);
  if (stringAt(rootfs, 'type', `${where}.rootfs`) !== 'layers')
    throw malformed(`${where}.rootfs.type`, 'must be layers');
  const ids = arrayAt(rootfs, 'diff_ids', MAX_LAYERS, `${where}.rootfs`);
  const runtime = member(object, 'config');
  for (const name of ['created', 'author']) optionalString(object, name, where);
  const { variant: _variant, 'os.version': _version, ...rest } = withoutNulls(object);
  return {
    ...rest,
    // Docker writes an empty variant for none.
    ...parsePlatform(object, where),
    rootfs: {
      type: 'layers',
      diff_ids: ids.map((id, i) => parseDigest(id, `${where}.rootfs.diff_ids[${i}]`)),
    },
    ...(runtime !== undefined && { config: parseRuntime(runtime, `${where}.config`) }),
    ...(member(object, 'history') !== undefined && { history: parseHistory(object, where) }),
  };
}

function parseRuntime(value: unknown, where: string): ImageRuntimeConfig {
  const object = asObject(value, where);
  const runtime = withoutNulls(object);
  for (const name of STRINGS) optionalString(object, name, where);
  for (const name of LISTS) optionalStrings(object, name, where);
  for (const name of SETS) {
    const set = optionalMap(object, name, where, readObject);
    if (set !== undefined) runtime[name] = set;
  }
  const labels = optionalMap(object, 'Labels', where, readString);
  if (labels !== undefined) runtime['Labels'] = labels;
  if (member(object, 'Healthcheck') !== undefined)
    asObject(member(object, 'Healthcheck'), `${where}.Healthcheck`);
  refuseNul(runtime, where);
  return runtime;
}

/** A NUL ends a string for the kernel but not for us: the same text would mean two things. */
function refuseNul(runtime: ImageRuntimeConfig, where: string): void {
  const texts = [
    ...[runtime.User, runtime.WorkingDir, runtime.StopSignal],
    ...[runtime.Env, runtime.Entrypoint, runtime.Cmd].flatMap((list) => list ?? []),
    ...[runtime.ExposedPorts, runtime.Volumes].flatMap((set) => Object.keys(set ?? {})),
  ];
  if (texts.some((text) => text?.includes('\0'))) throw malformed(where, 'has a string with a NUL character');
}

function parseHistory(object: Record<string, unknown>, where: string): HistoryEntry[] {
  return arrayAt(object, 'history', MAX_ENTRIES, where).map((value, index) => {
    const at = `${where}.history[${index}]`;
    const entry = asObject(value, at);
    for (const name of ['created', 'created_by', 'author', 'comment']) optionalString(entry, name, at);
    const empty = member(entry, 'empty_layer');
    if (empty !== undefined && typeof empty !== 'boolean')
      throw malformed(`${at}.empty_layer`, 'must be true or false');
    return withoutNulls(entry);
  });
}
