import { createRequire } from 'node:module';
import { VainaError } from '../errors.js';

const load = createRequire(__filename);

/** Loaded late: a program that only runs containers asks for nothing of it. `import()` would take four times as long. */
function library(): typeof import('smol-toml') {
  return load('smol-toml') as typeof import('smol-toml');
}

/**
 * Parses TOML. The parser's own message shows the line, which may hold a secret, and so is not kept.
 *
 * @param what - what messages call the file
 * @throws VainaError `ERR_INVALID_OPTION` with the place, without anything of the content
 */
export function parseToml(text: string, what: string, path: string): Record<string, unknown> {
  const { parse, TomlError } = library();
  try {
    return parse(text);
  } catch (error) {
    const place = error instanceof TomlError ? ` in line ${error.line}, column ${error.column}` : '';
    throw new VainaError('ERR_INVALID_OPTION', `${what} is not valid TOML${place}`, { path });
  }
}

/** Writes TOML. */
export function formatToml(value: Record<string, unknown>): string {
  return library().stringify(value);
}
