import { Option } from 'commander';
import { UsageError } from './errors.js';
import { parseDuration } from './human.js';

/**
 * How the value of a flag is read. `list` takes each value whole, `slice` also splits it at commas, `duration` gives
 * milliseconds.
 */
export type FlagKind =
  'bool' | 'string' | 'list' | 'slice' | 'int' | 'uint' | 'float' | 'duration' | readonly string[];

/** A flag of a command. */
export class Flag extends Option {
  constructor(
    flags: string,
    description: string,
    readonly valueKind: FlagKind,
  ) {
    super(flags, description);
  }

  /** `--all`: as messages name it. */
  get display(): string {
    return this.long ?? this.short ?? '';
  }
}

/** A flag: what podman's help says, and how the value is read. */
export function flag(flags: string, description: string, kind: FlagKind = 'bool'): Flag {
  return new Flag(flags, description, kind);
}

/** Reads one value; `previous` is what the flag had before. */
export function readValue(option: Flag, text: string, previous: unknown): unknown {
  const kind = option.valueKind;
  switch (kind) {
    case 'bool':
      return readBoolean(option, text);
    case 'string':
      return text;
    case 'list':
      return [...((previous as string[] | undefined) ?? []), text];
    case 'slice':
      return [...((previous as string[] | undefined) ?? []), ...text.split(',')];
    case 'int':
      return readNumber(option, text, /^[+-]?\d+$/, 'ParseInt');
    case 'uint':
      return readNumber(option, text, /^\d+$/, 'ParseUint');
    case 'float':
      return readNumber(option, text, /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i, 'ParseFloat');
    case 'duration':
      return readDuration(option, text);
    default:
      if (!kind.includes(text)) {
        throw invalid(option, text, `"${text}" is not a valid value.  Choose from: "${kind.join(', ')}"`);
      }
      return text;
  }
}

function readBoolean(option: Flag, text: string): boolean {
  if (['1', 't', 'T', 'TRUE', 'true', 'True'].includes(text)) return true;
  if (['0', 'f', 'F', 'FALSE', 'false', 'False'].includes(text)) return false;
  throw invalid(option, text, `strconv.ParseBool: parsing "${text}": invalid syntax`);
}

function readNumber(option: Flag, text: string, form: RegExp, parser: string): number {
  const value = Number(text);
  if (!form.test(text)) throw invalid(option, text, `strconv.${parser}: parsing "${text}": invalid syntax`);
  const tooBig = parser !== 'ParseFloat' && !Number.isSafeInteger(value);
  if (tooBig || !Number.isFinite(value)) {
    throw invalid(option, text, `strconv.${parser}: parsing "${text}": value out of range`);
  }
  return value;
}

function readDuration(option: Flag, text: string): number {
  const milliseconds = parseDuration(text);
  if (milliseconds === undefined || milliseconds < 0)
    throw invalid(option, text, `time: invalid duration ${JSON.stringify(text)}`);
  return milliseconds;
}

function invalid(option: Flag, text: string, why: string): UsageError {
  const names = [option.short, option.long].filter((name) => name !== undefined).join(', ');
  return new UsageError(`invalid argument "${text}" for "${names}" flag: ${why}`);
}
