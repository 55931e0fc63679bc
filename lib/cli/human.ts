const SIZE_UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB', 'EB'];

/**
 * A length of time in words, as docker/go-units has them: `5 seconds`, `About a minute`, `2 weeks`.
 * @param milliseconds - a negative length counts as none
 */
export function humanDuration(milliseconds: number): string {
  const seconds = Math.floor(milliseconds / 1000);
  if (seconds < 1) return 'Less than a second';
  if (seconds === 1) return '1 second';
  if (seconds < 60) return `${seconds} seconds`;
  const minutes = Math.floor(seconds / 60);
  if (minutes === 1) return 'About a minute';
  if (minutes < 60) return `${minutes} minutes`;
  const hours = Math.round(seconds / 3600);
  if (hours === 1) return 'About an hour';
  if (hours < 48) return `${hours} hours`;
  const days = Math.floor(hours / 24);
  if (hours < 24 * 7 * 2) return `${days} days`;
  if (hours < 24 * 30 * 2) return `${Math.floor(days / 7)} weeks`;
  if (hours < 24 * 365 * 2) return `${Math.floor(days / 30)} months`;
  return `${Math.floor(seconds / 3600 / 24 / 365)} years`;
}

/** {@link humanDuration} before now. */
export function ago(then: Date, now: Date): string {
  return `${humanDuration(now.getTime() - then.getTime())} ago`;
}

/** RFC 3339 in UTC, without a fraction of a second. */
export function wholeSeconds(time: Date): string {
  return time.toISOString().replace(/\.\d+Z$/, 'Z');
}

/** Bytes in decimal units with three significant digits, as podman shows the size of an image: `1.23 MB`. */
export function humanSize(bytes: number, digits = 3, space = ' '): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < SIZE_UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${Number(value.toPrecision(digits))}${space}${SIZE_UNITS[unit]}`;
}

const DURATION_UNITS: Record<string, number> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1e3,
  m: 6e4,
  h: 36e5,
};

/** Go's `time.ParseDuration`, in milliseconds; undefined if the text is not a duration. */
export function parseDuration(text: string): number | undefined {
  const match = /^([+-]?)((?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|ms|s|m|h))+$/.exec(text);
  if (!match) return text === '0' ? 0 : undefined;
  let sum = 0;
  for (const [, count, unit] of text.matchAll(/(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)/g)) {
    sum += Number(count) * DURATION_UNITS[unit!]!;
  }
  return match[1] === '-' ? -sum : sum;
}

/** What `--since` and `--until` take: RFC 3339, perhaps without zone or time, Unix seconds, or a duration before now. */
export function parseTime(text: string, now: Date): Date | undefined {
  const duration = parseDuration(text);
  if (duration !== undefined && text !== '0') return new Date(now.getTime() - duration);
  if (/^\d+(\.\d+)?$/.test(text)) return new Date(Number(text) * 1000);
  const match = /^\d{4}-\d\d-\d\d(T\d\d(:\d\d(:\d\d(\.\d+)?)?)?)?(Z|[+-]\d\d:\d\d)?$/.exec(text);
  if (!match) return undefined;
  const [, time = '', minutes, , , zone = ''] = match;
  const day = text.slice(0, 10);
  const complete = `${day}${time === '' ? 'T00:00' : minutes === undefined ? `${time}:00` : time}${zone}`;
  const parsed = new Date(complete);
  return Number.isNaN(parsed.getTime()) ? undefined : parsed;
}
