import { VainaError } from '../errors.js';
import { type Phase, type Plan, type Step, type StepArgument, type StepDefinition, STEPS } from './steps.js';

/** The first bytes of an encoded plan. */
const MAGIC = Buffer.from('VPLN', 'latin1');
const VERSION = 1;
const HEADER_SIZE = 16;

/** The most bytes that an encoded plan may have; the monitor refuses a longer one. */
export const MAX_PLAN_SIZE = 8 * 1024 * 1024;

const PHASES: readonly Phase[] = ['policy', 'host', 'clone', 'inside', 'after'];
const MAX_U64 = 2n ** 64n - 1n;

/**
 * The bytes of a launch plan, as the monitor reads them (`docs/plan.md`).
 *
 * @param plan - steps in phase order
 * @returns a buffer of its own, at most {@link MAX_PLAN_SIZE} bytes
 * @throws VainaError `ERR_INVALID_OPTION` for a NUL inside a string or a plan that is too long, `ERR_INTERNAL` for
 * an unknown step, a wrong number or kind of arguments, or a step out of phase order
 */
export function encodePlan(plan: Plan): Buffer {
  const out = new PlanWriter();
  let phase = 0;
  for (const [index, step] of plan.entries()) {
    const definition = Object.hasOwn(STEPS, step[0]) ? STEPS[step[0]] : undefined;
    if (!definition) throw wrong(index, step[0], 'is not a step of a plan');
    const own = PHASES.indexOf(definition.phase);
    if (own < phase) throw wrong(index, step[0], `belongs before the ${PHASES[phase] ?? ''} phase`);
    phase = own;
    encodeStep(out, index, step, definition);
  }
  return out.finish(plan.length);
}

/**
 * Writes a plan into one buffer that grows. A plan has some hundreds of strings, and encoding is on the way of every start:
 * a buffer for each of them would cost more than all the rest.
 */
class PlanWriter {
  #bytes = Buffer.allocUnsafe(16 * 1024);
  #at = HEADER_SIZE;

  step(op: number, count: number): void {
    this.#room(4);
    this.#at = this.#bytes.writeUInt16LE(op, this.#at);
    this.#at = this.#bytes.writeUInt16LE(count, this.#at);
  }

  text(value: string): void {
    // The most that UTF-8 makes of a UTF-16 unit is three bytes.
    this.#room(4 + value.length * 3 + 1);
    const length = this.#bytes.write(value, this.#at + 4);
    this.#close(length);
  }

  raw(value: Uint8Array): void {
    this.#room(4 + value.length + 1);
    this.#bytes.set(value, this.#at + 4);
    this.#close(value.length);
  }

  integer(value: bigint): void {
    this.#room(4 + 8 + 1);
    this.#bytes.writeBigUInt64LE(value, this.#at + 4);
    this.#close(8);
  }

  finish(steps: number): Buffer {
    if (this.#at > MAX_PLAN_SIZE) throw tooLong(this.#at);
    MAGIC.copy(this.#bytes);
    this.#bytes.writeUInt32LE(VERSION, 4);
    this.#bytes.writeUInt32LE(this.#at, 8);
    this.#bytes.writeUInt32LE(steps, 12);
    return this.#bytes.subarray(0, this.#at);
  }

  /** Length in front of an argument that was written, NUL behind it. */
  #close(length: number): void {
    this.#bytes.writeUInt32LE(length, this.#at);
    this.#at += 4 + length;
    this.#bytes[this.#at++] = 0;
  }

  #room(size: number): void {
    const needed = this.#at + size;
    if (needed <= this.#bytes.length) return;
    // Three bytes are reserved for each unit of a string; a plan that may still fit is not refused for that.
    if (this.#at > MAX_PLAN_SIZE || needed > 4 * MAX_PLAN_SIZE) throw tooLong(needed);
    const larger = Buffer.allocUnsafe(Math.max(needed, this.#bytes.length * 2));
    this.#bytes.copy(larger, 0, 0, this.#at);
    this.#bytes = larger;
  }
}

function encodeStep(out: PlanWriter, index: number, step: Step, { op, args }: StepDefinition): void {
  const [name] = step;
  const count = step.length - 1;
  const repeated = args.endsWith('*');
  const required = repeated ? args.length - 2 : args.length;
  if (count < required || (!repeated && count > required) || count > 0xffff) {
    throw wrong(index, name, `has ${count} arguments instead of ${required}${repeated ? ' or more' : ''}`);
  }
  out.step(op, count);
  for (let position = 0; position < count; position++) {
    const kind = kindAt(args, position);
    const value = step[position + 1] as StepArgument;
    if (kind === 'u') out.integer(integerOf(value) ?? wrongKind(index, name, position));
    else if (typeof value === 'string' && kind === 's') out.text(withoutNul(value, name, position));
    else if (!(value instanceof Uint8Array)) wrongKind(index, name, position);
    else out.raw(kind === 's' ? withoutNul(value, name, position) : value);
  }
}

function withoutNul<T extends string | Uint8Array>(value: T, name: string, position: number): T {
  if (typeof value === 'string' ? !value.includes('\0') : !value.includes(0)) return value;
  throw new VainaError(
    'ERR_INVALID_OPTION',
    `argument ${position + 1} of the step ${name} contains a NUL byte`,
  );
}

function kindAt(kinds: string, position: number): string {
  const fixed = kinds.endsWith('*') ? kinds.length - 1 : kinds.length;
  return kinds.charAt(Math.min(position, fixed - 1));
}

function integerOf(value: StepArgument): bigint | undefined {
  if (typeof value === 'number' ? !Number.isSafeInteger(value) : typeof value !== 'bigint') return undefined;
  const integer = BigInt(value as number | bigint);
  return integer < 0n || integer > MAX_U64 ? undefined : integer;
}

function wrong(index: number, name: string, what: string): VainaError {
  return new VainaError('ERR_INTERNAL', `step ${index} of the launch plan, ${name}, ${what}`);
}

function wrongKind(index: number, name: string, position: number): never {
  throw wrong(index, name, `has an argument ${position + 1} of the wrong kind`);
}

function tooLong(size: number): VainaError {
  return new VainaError(
    'ERR_INVALID_OPTION',
    `the launch plan would be ${size} bytes long, and ${MAX_PLAN_SIZE} is the limit`,
  );
}
