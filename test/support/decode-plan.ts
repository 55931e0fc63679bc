import { type Plan, type StepArgument, type StepName, STEPS } from '../../lib/spec/steps.js';

const NAMES = new Map((Object.keys(STEPS) as StepName[]).map((name) => [STEPS[name].op, name] as const));
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * The steps of an encoded plan, as `docs/plan.md` tells to read it. Strings that are not UTF-8 come back as bytes, integers
 * past 2⁵³ as bigint.
 */
export function decodePlan(bytes: Buffer): Plan {
  if (bytes.toString('latin1', 0, 4) !== 'VPLN' || bytes.readUInt32LE(8) !== bytes.length)
    throw new Error('no whole plan');
  let at = 16;
  const plan = Array.from({ length: bytes.readUInt32LE(12) }, (): Plan[number] => {
    const name = NAMES.get(bytes.readUInt16LE(at)) as StepName;
    const count = bytes.readUInt16LE(at + 2);
    at += 4;
    const values = Array.from({ length: count }, (_, position) => {
      const value = bytes.subarray(at + 4, at + 4 + bytes.readUInt32LE(at));
      at += 4 + value.length + 1;
      if (bytes[at - 1] !== 0) throw new Error('an argument has no NUL behind it');
      const kinds = STEPS[name].args.replace('*', '');
      return decodeArgument(kinds.charAt(Math.min(position, kinds.length - 1)), value);
    });
    return [name, ...values];
  });
  if (at !== bytes.length) throw new Error('there are bytes after the last step');
  return plan;
}

function decodeArgument(kind: string, bytes: Buffer): StepArgument {
  if (kind === 'b') return Uint8Array.from(bytes);
  if (kind === 'u') {
    const integer = bytes.readBigUInt64LE();
    return integer <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(integer) : integer;
  }
  try {
    return utf8.decode(bytes);
  } catch {
    return Uint8Array.from(bytes);
  }
}
