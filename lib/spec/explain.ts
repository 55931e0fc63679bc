import { CAPABILITIES } from './capabilities.js';
import { CLONE_FLAGS } from './namespaces.js';
import { RLIMITS } from './rlimits.js';
import { type Plan, type Step, type StepArgument, type StepName, STEPS } from './steps.js';

type Bits = readonly (readonly [string, number])[];
type Formatter = (argument: StepArgument) => string;

const CLONE: Bits = Object.entries(CLONE_FLAGS).map(([type, bit]) => [
  `CLONE_NEW${({ mount: 'NS', network: 'NET' } as Record<string, string>)[type] ?? type.toUpperCase()}`,
  bit,
]);
const PROPAGATION: Bits = [
  ['MS_REC', 0x4000],
  ['MS_PRIVATE', 0x4_0000],
  ['MS_SLAVE', 0x8_0000],
];
const ATTRIBUTES: Bits = [
  ['RDONLY', 0x1],
  ['NOSUID', 0x2],
  ['NODEV', 0x4],
  ['NOEXEC', 0x8],
  ['NOATIME', 0x10],
  ['STRICTATIME', 0x20],
  ['NODIRATIME', 0x80],
  ['NOSYMFOLLOW', 0x20_0000],
];
const BINDS: Bits = [
  ['RECURSIVE', 1],
  ['SKIP_MISSING', 2],
  ['RECURSIVE_ATTRIBUTES', 4],
];

const octal: Formatter = (argument) => `0${BigInt(argument as number).toString(8)}`;

/** Arguments that say more in symbols than as numbers: step → place → how. */
const FORMATTERS: Partial<Record<StepName, Readonly<Record<number, Formatter>>>> = {
  clone: { 0: bits(CLONE) },
  join: { 0: bits(CLONE) },
  'join-path': { 1: bits(CLONE) },
  propagation: { 0: bits(PROPAGATION) },
  mount: { 3: bits(ATTRIBUTES) },
  bind: { 2: bits(ATTRIBUTES), 3: bits(BINDS) },
  'root-attributes': { 0: bits(ATTRIBUTES) },
  mkdir: { 1: octal },
  mknod: { 1: octal },
  umask: { 0: octal },
  rlimit: { 0: (argument) => RLIMITS[Number(argument)] ?? String(argument), 1: limit, 2: limit },
  bounding: { 0: capabilities },
  capabilities: { 0: capabilities, 1: capabilities, 2: capabilities, 3: capabilities },
  seccomp: { 1: (argument) => `[${(argument as Uint8Array).length / 8} instructions]` },
  'cgroup-device-filter': { 1: (argument) => `[${(argument as Uint8Array).length / 8} instructions]` },
};

/** The plan as text, a line for each step: `phase   step(arguments)`, like the output of strace(1). */
export function formatPlan(plan: Plan): string {
  return plan.map((step) => `${formatStep(step)}\n`).join('');
}

/** One step as a line. */
export function formatStep(step: Step): string {
  const [name, ...args] = step;
  const formatters = FORMATTERS[name] ?? {};
  const parts = args.map((argument, place) => (formatters[place] ?? plain)(argument));
  return `${STEPS[name].phase.padEnd(6)}  ${name}(${parts.join(', ')})`;
}

function plain(argument: StepArgument): string {
  if (argument instanceof Uint8Array) return `[${argument.length} bytes]`;
  if (typeof argument !== 'string') return String(argument);
  // JSON leaves these as they are, but a terminal would obey them.
  return JSON.stringify(argument).replace(
    /[\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function bits(names: Bits): Formatter {
  return (argument) => {
    let rest = BigInt(argument as number);
    const found: string[] = [];
    for (const [name, bit] of names) {
      if ((rest & BigInt(bit)) === 0n) continue;
      found.push(name);
      rest &= ~BigInt(bit);
    }
    if (rest !== 0n) found.push(`0x${rest.toString(16)}`);
    return found.length > 0 ? found.join('|') : '0';
  };
}

function limit(argument: StepArgument): string {
  return BigInt(argument as bigint) === 0xffff_ffff_ffff_ffffn ? 'RLIM_INFINITY' : String(argument);
}

function capabilities(argument: StepArgument): string {
  const mask = BigInt(argument as bigint);
  const all = (1n << BigInt(CAPABILITIES.length)) - 1n;
  if (mask === 0n) return '0';
  if (mask === all) return 'all';
  const names = CAPABILITIES.filter((_, number) => (mask & (1n << BigInt(number))) !== 0n);
  return names.map((name) => name.slice(4).toLowerCase()).join('|');
}
