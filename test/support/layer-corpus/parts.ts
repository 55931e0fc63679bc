import { open, type TarEntry } from '../tar-builder.js';
import type { LayerCase } from './types.js';

/** The answer to what is malformed or hostile. */
export const REFUSED = { error: 'ERR_INVALID_LAYER' as const };

/** A case; {@link LayerCase} says what it may have. */
export const make = (name: string, archive: () => Buffer, more: Partial<LayerCase>): LayerCase => ({
  name,
  archive,
  ...more,
});

/** An entry of a regular file. */
export const file = (name: string | Buffer, content = 'x', more: Partial<TarEntry> = {}): TarEntry => ({
  name,
  content,
  ...more,
});

/** A header that must not be found: what is smuggled as content. */
export const hidden = (): Buffer => open(file('pwned'));

/** Content of a size. */
export const bytes = (size: number): string => 'y'.repeat(size);
