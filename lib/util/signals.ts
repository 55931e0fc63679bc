/** Signals of Linux by number (signal(7)); real-time signals are SIGRTMIN+n and SIGRTMAX-n as in glibc. */
const NAMES = [
  'HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG',
  'XCPU XFSZ VTALRM PROF WINCH IO PWR SYS',
]
  .join(' ')
  .split(' ');
const ALIASES: Readonly<Record<string, number>> = { IOT: 6, CLD: 17, POLL: 29, UNUSED: 31 };
const RTMIN = 34;
const RTMAX = 64;

/**
 * The number of a signal: `SIGTERM`, `term`, `15`, `SIGRTMIN+3`, `RTMAX-1`, or a number.
 *
 * @returns 1 to 64, or undefined when there is no such signal
 */
export function signalNumber(signal: string | number): number | undefined {
  if (typeof signal === 'number') return inRange(signal);
  if (/^\d{1,3}$/.test(signal)) return inRange(Number(signal));
  const name = signal.toUpperCase().replace(/^SIG/, '');
  const realTime = /^RT(MIN|MAX)(?:([+-])(\d{1,2}))?$/.exec(name);
  if (realTime) {
    const [, base, sign, offset = '0'] = realTime;
    if (sign !== undefined && (sign === '+') !== (base === 'MIN')) return undefined;
    const number = base === 'MIN' ? RTMIN + Number(offset) : RTMAX - Number(offset);
    return number >= RTMIN && number <= RTMAX ? number : undefined;
  }
  const index = NAMES.indexOf(name);
  return index >= 0 ? index + 1 : Object.hasOwn(ALIASES, name) ? ALIASES[name] : undefined;
}

/** The name of a signal, e.g. `SIGTERM` or `SIGRTMIN+3`; `SIG` and the number when it has none. */
export function signalName(number: number): string {
  const name = NAMES[number - 1];
  if (name !== undefined) return `SIG${name}`;
  if (number === RTMAX) return 'SIGRTMAX';
  if (number >= RTMIN && number < RTMAX) return number === RTMIN ? 'SIGRTMIN' : `SIGRTMIN+${number - RTMIN}`;
  return `SIG${number}`;
}

function inRange(number: number): number | undefined {
  return Number.isInteger(number) && number >= 1 && number <= RTMAX ? number : undefined;
}
