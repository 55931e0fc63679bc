import { expect } from 'chai';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const DIRECTORY = join(__dirname, 'golden');

/** Compares with `golden/NAME.json`; `UPDATE_GOLDEN=1` writes it instead. A missing file fails. */
export function expectGolden(name: string, actual: unknown): void {
  const path = join(DIRECTORY, `${name}.json`);
  const text = `${JSON.stringify(actual, toJson, 2)}\n`;
  if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(path, text);
  if (!existsSync(path)) throw new Error(`no golden file ${path}: run with UPDATE_GOLDEN=1`);
  expect(JSON.parse(text)).to.deep.equal(JSON.parse(readFileSync(path, 'utf8')));
}

function toJson(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return `${value}n`;
  return value instanceof Uint8Array ? `${value.length} bytes` : value;
}
