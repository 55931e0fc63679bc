import { VainaError } from '../errors.js';
import { type Phase, type Plan, type Step, type StepArgument, type StepName, STEPS } from './steps.js';

/** The first bytes of an encoded plan. */
const MAGIC = Buffer.from('VPLN', 'latin1');
const VERSION = 1;
const HEADER_SIZE = 16;

/** The most bytes that an encoded plan may have; the monitor refuses a longer one. */
export const MAX_PLAN_SIZE = 8 * 1024 * 1024;

const PHASES: readonly Phase[] = ['policy', 'host', 'clone', 'inside', 'after'];
const MAX_U64 = 2n ** 64n - 1n;
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * The bytes of a launch plan, as the monitor reads them (`docs/plan.md`).
 *
 * @param plan - steps in phase order
 * @returns a buffer of its own, at most {@link MAX_PLAN_SIZE} bytes
 * @throws VainaError `ERR_INVALID_OPTION` for a NUL inside a string or a plan that is too long, `ERR_INTERNAL` for
 * an unknown step, a wrong number or kind of arguments, or a step out of phase order
 */
export function encodePlan(plan: Plan): Buffer {
  let size = HEADER_SIZE;
  let phase = 0;
  const encoded: { op: number; parts: Buffer[] }[] = [];
  for (const [index, step] of plan.entries()) {
    const definition = Object.hasOwn(STEPS, step[0]) ? STEPS[step[0]] : undefined;
    if (!definition) throw wrong(index, step[0], 'is not a step of a plan');
    const own = PHASES.indexOf(definition.phase);
    if (own < phase) throw wrong(index, step[0], `belongs before the ${PHASES[phase] ?? ''} phase`);
    phase = own;
    const parts = encodeArguments(index, step, definition.args);
    encoded.push({ op: definition.op, parts });
    size += 4;
    for (const part of parts) size += 4 + part.length + 1;
  }
  if (size > MAX_PLAN_SIZE) {
    throw new VainaError(
      'ERR_INVALID_OPTION',
      `the launch plan would be ${size} bytes long, and ${MAX_PLAN_SIZE} is the limit`,
    );
  }
  return write(encoded, size);
}

function write(encoded: readonly { op: number; parts: readonly Buffer[] }[], size: number): Buffer {
  const bytes = Buffer.alloc(size);
  MAGIC.copy(bytes);
  bytes.writeUInt32LE(VERSION, 4);
  bytes.writeUInt32LE(size, 8);
  bytes.writeUInt32LE(encoded.length, 12);
  let at = HEADER_SIZE;
  for (const { op, parts } of encoded) {
    at = bytes.writeUInt16LE(op, at);
    at = bytes.writeUInt16LE(parts.length, at);
    for (const part of parts) {
      at = bytes.writeUInt32LE(part.length, at);
      part.copy(bytes, at);
      at += part.length + 1;
    }
  }
  return bytes;
}

function encodeArguments(index: number, step: Step, kinds: string): Buffer[] {
  const [name, ...values] = step;
  const repeated = kinds.endsWith('*');
  const required = repeated ? kinds.length - 2 : kinds.length;
  if (values.length < required || (!repeated && values.length > required) || values.length > 0xffff) {
    throw wrong(
      index,
      name,
      `has ${values.length} arguments instead of ${required}${repeated ? ' or more' : ''}`,
    );
  }
  return values.map((value, position) => {
    const part = encodeArgument(kindAt(kinds, position), value);
    if (!part) throw wrong(index, name, `has an argument ${position + 1} of the wrong kind`);
    if (kindAt(kinds, position) === 's' && part.includes(0)) {
      throw new VainaError(
        'ERR_INVALID_OPTION',
        `argument ${position + 1} of the step ${name} contains a NUL byte`,
      );
    }
    return part;
  });
}

function kindAt(kinds: string, position: number): string {
  const fixed = kinds.endsWith('*') ? kinds.length - 1 : kinds.length;
  return kinds.charAt(Math.min(position, fixed - 1));
}

function encodeArgument(kind: string, value: StepArgument): Buffer | undefined {
  if (kind === 'u') return encodeInteger(value);
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  return kind === 's' && typeof value === 'string' ? Buffer.from(value) : undefined;
}

function encodeInteger(value: StepArgument): Buffer | undefined {
  if (typeof value === 'number' ? !Number.isSafeInteger(value) : typeof value !== 'bigint') return undefined;
  const integer = BigInt(value as number | bigint);
  if (integer < 0n || integer > MAX_U64) return undefined;
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(integer);
  return bytes;
}

const NAMES = new Map<number, StepName>(
  (Object.keys(STEPS) as StepName[]).map((name) => [STEPS[name].op, name] as const),
);

/**
 * The steps of an encoded plan: the inverse of {@link encodePlan}. Strings that are not UTF-8 come back as bytes,
 * integers past 2⁵³ as bigint.
 *
 * @throws VainaError `ERR_STORE_DAMAGED` for anything that {@link encodePlan} would not have written
 */
export function decodePlan(bytes: Uint8Array): Plan {
  const input = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (input.length < HEADER_SIZE || input.length > MAX_PLAN_SIZE || !input.subarray(0, 4).equals(MAGIC)) {
    throw damaged('it is no plan');
  }
  if (input.readUInt32LE(4) !== VERSION) throw damaged(`its version is ${input.readUInt32LE(4)}`);
  if (input.readUInt32LE(8) !== input.length) throw damaged('its length is wrong');
  const count = input.readUInt32LE(12);
  const plan: Step[] = [];
  let at = HEADER_SIZE;
  let phase = 0;
  for (let index = 0; index < count; index++) {
    if (at + 4 > input.length) throw damaged('it is cut off');
    const name = NAMES.get(input.readUInt16LE(at));
    if (!name) throw damaged(`step ${index} has the unknown number ${input.readUInt16LE(at)}`);
    const kinds = STEPS[name].args;
    const own = PHASES.indexOf(STEPS[name].phase);
    if (own < phase) throw damaged(`step ${index}, ${name}, is out of order`);
    phase = own;
    const values: StepArgument[] = [];
    const given = input.readUInt16LE(at + 2);
    at += 4;
    for (let position = 0; position < given; position++) {
      const length = at + 4 <= input.length ? input.readUInt32LE(at) : Infinity;
      const end = at + 4 + length;
      if (end + 1 > input.length || input[end] !== 0) throw damaged(`step ${index}, ${name}, is cut off`);
      const value = decodeArgument(kindAt(kinds, position), input.subarray(at + 4, end));
      if (value === undefined) throw damaged(`step ${index}, ${name}, has a malformed argument`);
      values.push(value);
      at = end + 1;
    }
    const required = kinds.endsWith('*') ? kinds.length - 2 : kinds.length;
    if (given < required || (given > required && !kinds.endsWith('*'))) {
      throw damaged(`step ${index}, ${name}, has a wrong number of arguments`);
    }
    plan.push([name, ...values]);
  }
  if (at !== input.length) throw damaged('there are bytes after its last step');
  return plan;
}

function decodeArgument(kind: string, bytes: Buffer): StepArgument | undefined {
  if (kind === 'b') return Uint8Array.from(bytes);
  if (kind === 's') {
    if (bytes.includes(0)) return undefined;
    try {
      return utf8.decode(bytes);
    } catch {
      return Uint8Array.from(bytes);
    }
  }
  if (kind !== 'u' || bytes.length !== 8) return undefined;
  const integer = bytes.readBigUInt64LE();
  return integer <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(integer) : integer;
}

function wrong(index: number, name: string, what: string): VainaError {
  return new VainaError('ERR_INTERNAL', `step ${index} of the launch plan, ${name}, ${what}`);
}

function damaged(what: string): VainaError {
  return new VainaError('ERR_STORE_DAMAGED', `the stored launch plan cannot be read: ${what}`);
}
