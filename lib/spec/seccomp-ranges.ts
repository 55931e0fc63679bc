/** An instruction of classic BPF: struct sock_filter (linux/filter.h). */
interface Instruction {
  code: number;
  jt: number;
  jf: number;
  k: number;
}

/** The opcodes that libseccomp writes and that a decision about a call's number can take. */
const LOAD = 0x20;
const JUMP = 0x05;
const JUMP_EQUAL = 0x15;
const JUMP_GREATER = 0x25;
const JUMP_GREATER_EQUAL = 0x35;
const JUMP_SET = 0x45;
const RETURN = 0x06;

/** Offsets in struct seccomp_data; what lies behind them, the arguments above all, is not known beforehand. */
const NUMBER = 0;
const ARCHITECTURE = 4;

const LARGEST = 0xffff_ffff;
/** No architecture has more calls than this, in the numbers that it begins with. */
const MOST_CALLS = 512;
/** How far a conditional jump reaches. */
const REACH = 255;
const CONDITIONAL: ReadonlySet<number> = new Set([JUMP_EQUAL, JUMP_GREATER, JUMP_GREATER_EQUAL, JUMP_SET]);

/** What a filter does with a call: it returns this number, or looks at the arguments from instruction `outcome - LOOKS` on. */
type Outcome = number;
const LOOKS = 0x1_0000_0000;

/** Call numbers from `start` to the start of the next range, all with the same outcome. */
interface Range {
  start: number;
  outcome: Outcome;
}

/** A filter that cannot be understood stays as it is: it is larger, not wrong. */
class NotUnderstood extends Error {}

/**
 * Rewrites a compiled filter so that it decides by ranges of call numbers instead of call by call, with the same outcome
 * for every call and all arguments. The kernel translates a filter to machine code each time that one is installed, which
 * takes the longer the longer it is: this one is less than a third of what libseccomp writes for the default profile.
 *
 * @param filter - an array of struct sock_filter, as seccomp_export_bpf(3) writes it
 */
export function rangeFilter(filter: Uint8Array): Buffer {
  const known = decode(filter);
  try {
    const { architectures, other } = dispatch(known);
    const program = emit(
      known,
      architectures.map((token) => ({ token, ranges: rangesOf(known, token) })),
      other,
    );
    if (program.length < known.length) return encode(program);
  } catch (error) {
    if (!(error instanceof NotUnderstood)) throw error;
  }
  return Buffer.from(filter);
}

function decode(filter: Uint8Array): Instruction[] {
  // A copy is aligned. The numbers are in the order of the host's bytes.
  const { buffer } = Uint8Array.from(filter);
  const short = new Uint16Array(buffer);
  const long = new Uint32Array(buffer);
  const bytes = new Uint8Array(buffer);
  return Array.from({ length: filter.length / 8 }, (_, at) => ({
    code: short[at * 4] ?? 0,
    jt: bytes[at * 8 + 2] ?? 0,
    jf: bytes[at * 8 + 3] ?? 0,
    k: long[at * 2 + 1] ?? 0,
  }));
}

function encode(program: readonly Instruction[]): Buffer {
  const buffer = new ArrayBuffer(program.length * 8);
  const short = new Uint16Array(buffer);
  const long = new Uint32Array(buffer);
  const bytes = new Uint8Array(buffer);
  program.forEach(({ code, jt, jf, k }, at) => {
    short[at * 4] = code;
    bytes[at * 8 + 2] = jt;
    bytes[at * 8 + 3] = jf;
    long[at * 2 + 1] = k;
  });
  return Buffer.from(buffer);
}

/** Runs a filter for a call of which all is known but the arguments. */
function decide(program: readonly Instruction[], architecture: number, number: number): Outcome {
  let accumulator: number | undefined;
  for (let at = 0; at < program.length; at++) {
    const { code, jt, jf, k } = program[at] as Instruction;
    if (code === RETURN) return k;
    if (code === LOAD) {
      if (k === NUMBER) accumulator = number;
      else if (k === ARCHITECTURE) accumulator = architecture;
      else return LOOKS + at;
    } else if (code === JUMP) {
      at += k;
    } else {
      if (accumulator === undefined) throw new NotUnderstood();
      at += holdsTrue(code, accumulator, k) ? jt : jf;
    }
  }
  throw new NotUnderstood();
}

function holdsTrue(code: number, accumulator: number, k: number): boolean {
  if (code === JUMP_EQUAL) return accumulator === k;
  if (code === JUMP_GREATER) return accumulator > k;
  if (code === JUMP_GREATER_EQUAL) return accumulator >= k;
  throw new NotUnderstood();
}

/** The architectures that a filter knows, and what it does with any other, whatever the call is. */
function dispatch(program: readonly Instruction[]): { architectures: number[]; other: Outcome } {
  const architectures: number[] = [];
  for (let at = 0; at < program.length; at++) {
    const { code, jf, k } = program[at] as Instruction;
    if (code === RETURN) return { architectures, other: k };
    if (code === JUMP_EQUAL) {
      architectures.push(k);
      at += jf;
    } else if (code === JUMP) {
      at += k;
    } else if (code !== LOAD || k !== ARCHITECTURE) {
      break;
    }
  }
  throw new NotUnderstood();
}

/** The outcomes of all call numbers of an architecture. They change only at numbers that the filter compares with. */
function rangesOf(program: readonly Instruction[], architecture: number): Range[] {
  const starts = new Set([0]);
  for (const { code, k } of program) {
    if (!CONDITIONAL.has(code)) continue;
    starts.add(k);
    if (k < LARGEST) starts.add(k + 1);
  }
  const ranges: Range[] = [];
  for (const start of [...starts].sort((a, b) => a - b)) {
    const outcome = decide(program, architecture, start);
    const last = ranges.at(-1);
    if (last?.outcome !== outcome) ranges.push({ start, outcome });
  }
  return ranges;
}

function emit(
  known: readonly Instruction[],
  sections: readonly { token: number; ranges: readonly Range[] }[],
  other: Outcome,
): Instruction[] {
  const program: Instruction[] = [];
  /** Jumps that have to find the copy of an instruction of the known filter. */
  const toCopies = new Map<Instruction, number>();
  const leaf = (outcome: Outcome): Instruction => {
    if (outcome < LOOKS) return { code: RETURN, jt: 0, jf: 0, k: outcome };
    const jump = { code: JUMP, jt: 0, jf: 0, k: 0 };
    toCopies.set(jump, outcome - LOOKS);
    return jump;
  };
  program.push({ code: LOAD, jt: 0, jf: 0, k: ARCHITECTURE });
  const toSections = sections.map(({ token }) => {
    const jump = { code: JUMP, jt: 0, jf: 0, k: 0 };
    program.push({ code: JUMP_EQUAL, jt: 0, jf: 1, k: token }, jump);
    return { jump, after: program.length };
  });
  program.push(leaf(other));
  sections.forEach(({ ranges }, index) => {
    const { jump, after } = toSections[index] as { jump: Instruction; after: number };
    jump.k = program.length - after;
    program.push({ code: LOAD, jt: 0, jf: 0, k: NUMBER }, ...tree(ranges, leaf));
  });
  const copies = reachable(known, toCopies.values());
  const positions = new Map(copies.map((from, index) => [from, program.length + index]));
  const positionOf = (from: number): number => positions.get(from) as number;
  program.forEach((instruction, at) => {
    const target = toCopies.get(instruction);
    if (target !== undefined) instruction.k = positionOf(target) - at - 1;
  });
  return [...program, ...copies.map((from) => moved(known[from] as Instruction, from, positionOf))];
}

/** A search tree over ranges, and behind it one instruction for each outcome. */
function tree(ranges: readonly Range[], leaf: (outcome: Outcome) => Instruction): Instruction[] {
  const nodes: Instruction[] = [];
  const places = new Map<Outcome, number>();
  const leaves: Instruction[] = [];
  for (const { outcome } of ranges) {
    if (places.has(outcome)) continue;
    places.set(outcome, ranges.length - 1 + leaves.length);
    leaves.push(leaf(outcome));
  }
  /** Returns where it is: the tree of one range is its leaf. */
  const grow = (from: number, to: number): number => {
    if (to - from === 1) return places.get((ranges[from] as Range).outcome) as number;
    const at = nodes.length;
    const middle = balancedSplit(ranges, from, to);
    const node = { code: JUMP_GREATER_EQUAL, jt: 0, jf: 0, k: (ranges[middle] as Range).start };
    nodes.push(node);
    node.jf = grow(from, middle) - at - 1;
    node.jt = grow(middle, to) - at - 1;
    if (node.jf > REACH || node.jt > REACH) throw new NotUnderstood();
    return at;
  };
  grow(0, ranges.length);
  return [...nodes, ...leaves];
}

/** How many calls a range has, roughly: those that exist have small numbers. */
function weight(ranges: readonly Range[], index: number): number {
  const { start } = ranges[index] as Range;
  const end = ranges[index + 1]?.start ?? LARGEST;
  return 1 + Math.max(0, Math.min(end, MOST_CALLS) - start);
}

/** Where to part ranges so that either side has about as many calls: the kernel tries all of them at an install. */
function balancedSplit(ranges: readonly Range[], from: number, to: number): number {
  let left = 0;
  let right = 0;
  for (let index = from; index < to; index++) right += weight(ranges, index);
  let middle = from;
  while (middle + 1 < to) {
    const next = weight(ranges, middle);
    if (middle > from && left + next > right - next) break;
    left += next;
    right -= next;
    middle++;
  }
  return middle;
}

/** The instructions that can follow some others, in order. */
function reachable(program: readonly Instruction[], from: Iterable<number>): number[] {
  const found = new Set<number>();
  const waiting = [...from];
  for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
    if (found.has(at)) continue;
    found.add(at);
    const { code, jt, jf, k } = program[at] as Instruction;
    if (code === JUMP) waiting.push(at + 1 + k);
    else if (CONDITIONAL.has(code)) waiting.push(at + 1 + jt, at + 1 + jf);
    else if (code !== RETURN) waiting.push(at + 1);
  }
  return [...found].sort((a, b) => a - b);
}

/** An instruction in its new place. What lay between may be gone, so that no jump becomes longer. */
function moved(instruction: Instruction, from: number, positionOf: (from: number) => number): Instruction {
  const { code, jt, jf, k } = instruction;
  const distance = (skipped: number): number => positionOf(from + 1 + skipped) - positionOf(from) - 1;
  if (code === JUMP) return { ...instruction, k: distance(k) };
  if (CONDITIONAL.has(code)) return { ...instruction, jt: distance(jt), jf: distance(jf) };
  return instruction;
}
