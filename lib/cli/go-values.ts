import { GoTime, type Value } from './template.js';

/** Fields whose names are the user's, not ours: maps in Go, where a missing key is no mistake. */
const MAPS = new Set([
  'Annotations',
  'Data',
  'ExposedPorts',
  'Labels',
  'Networks',
  'Options',
  'Ports',
  'Sysctls',
  'Tmpfs',
  'Volumes',
]);

const TIMES = new Set(['Created', 'StartedAt', 'FinishedAt', 'CreatedAt']);

/** Turns what the library tells of an object into values that print as podman's do. */
export function goValues(value: unknown, field = ''): Value {
  if (typeof value === 'string') return TIMES.has(field) ? new GoTime(value) : value;
  if (typeof value !== 'object' || value === null || value instanceof Date) return value;
  if (Array.isArray(value)) return value.map((item) => goValues(item));
  const entries = Object.entries(value).map(([key, item]) => [key, goValues(item, key)] as const);
  if (MAPS.has(field)) return new Map(entries);
  return Object.fromEntries(entries);
}
