import { CommandError } from './errors.js';
import { align } from './table.js';
import { compile, TemplateError, type Value } from './template.js';

/** The heading of each field that a row has; functions for fields that take arguments. */
export type Headings = Readonly<Record<string, Value>>;

/**
 * Prints a list by a `--format`: a Go template for each row, or for the whole list if it starts with `{{range`; after
 * `table ` it has a heading and aligned columns.
 * @param name - of the command, for messages
 */
export function formatRows(
  name: string,
  format: string,
  rows: readonly Record<string, Value>[],
  headings: Headings,
  withHeading = true,
): string {
  return guarded(() => {
    const isTable = format.startsWith('table ') || format.startsWith('table\t');
    const source = isTable ? cells(format.slice(6).trim()) : unescape(format);
    const whole = /^\{\{-?\s*range\b/.test(source);
    const template = compile(name, source);
    const body = whole
      ? line(template.execute(rows))
      : rows.map((row) => line(template.execute(row))).join('');
    if (!isTable) return body;
    const heading = withHeading && !whole ? line(template.execute(headings)) : '';
    return align(heading + body);
  });
}

/** Prints one object by a Go template. */
export function formatObject(name: string, format: string, value: Value): string {
  return guarded(() => line(compile(name, unescape(format)).execute(value)));
}

/** Whether a format asks for JSON: `json`, or a template that is nothing else. */
export function wantsJson(format: string | undefined): boolean {
  return format !== undefined && /^\s*(json|\{\{\s*json\s*(\.\s*)?\}\})\s*$/.test(format);
}

function guarded(work: () => string): string {
  try {
    return work();
  } catch (error) {
    if (error instanceof TemplateError) throw new CommandError(error.message);
    throw error;
  }
}

function line(text: string): string {
  return text.endsWith('\n') ? text : `${text}\n`;
}

/** Outside of actions, `\t` and `\n` are written as in Go's strings. */
function unescape(format: string): string {
  return outsideActions(format, (text) => text.replaceAll('\\t', '\t').replaceAll('\\n', '\n'));
}

/** Spaces between actions separate columns; those within an action do not. */
function cells(format: string): string {
  return outsideActions(unescape(format), (text) => text.replace(/ +/g, '\t'));
}

function outsideActions(format: string, change: (text: string) => string): string {
  const parts: string[] = [];
  for (let from = 0; from < format.length;) {
    const open = format.indexOf('{{', from);
    const close = open === -1 ? -1 : format.indexOf('}}', open);
    parts.push(change(format.slice(from, open === -1 ? undefined : open)));
    if (open === -1) break;
    const end = close === -1 ? format.length : close + 2;
    parts.push(format.slice(open, end));
    from = end;
  }
  return parts.join('');
}

/**
 * The headings of a list: the words of the fields' names, but for some.
 * @param row - any row, for its fields
 */
export function headingsOf(row: Readonly<Record<string, Value>>, some: Headings): Headings {
  return Object.fromEntries(Object.keys(row).map((name) => [name, some[name] ?? heading(name)]));
}

/** `RunningFor` → `RUNNING FOR`. */
function heading(name: string): string {
  return name
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .replace(/([A-Z]+)([A-Z][a-z])/g, '$1 $2')
    .toUpperCase();
}
