import { humanSize } from './human.js';
import type { ProgressEvent } from '../index.js';
import type { Session } from './verb.js';

const BAR_WIDTH = 38;
/** Between two drawings of the bars, in milliseconds. */
const DRAW_EVERY = 100;
/** Milliseconds over which the rate is measured. */
const RATE_WINDOW = 3000;

/**
 * Reports a transfer: on a terminal a bar on stderr for each blob, with the sum and the rate below them; else a line when
 * a blob starts.
 *
 * @param fd - where the lines go: podman writes them to stderr, skopeo to stdout
 */
export function progressPrinter(session: Session, fd: 1 | 2 = 2): (event: ProgressEvent) => void {
  return session.host.isTerminal(2) ? bars(session) : lines(session, fd);
}

function lines(session: Session, fd: 1 | 2): (event: ProgressEvent) => void {
  const seen = new Set<string>();
  return ({ phase, id }) => {
    if (seen.has(id)) return;
    seen.add(id);
    const line = `Copying blob ${id}${phase === 'exists' ? ' [already exists]' : ''}\n`;
    if (fd === 1) session.out(line);
    else session.err(line);
  };
}

function bars(session: Session): (event: ProgressEvent) => void {
  const states = new Map<string, ProgressEvent>();
  const rate = new Rate();
  let drawn = 0;
  let last = 0;
  return (event) => {
    const news = states.get(event.id)?.phase !== event.phase;
    states.set(event.id, event);
    const now = session.host.now().getTime();
    if (!news && now - last < DRAW_EVERY) return;
    last = now;
    const size = session.host.size();
    const columns = size?.columns ?? 80;
    const all = [...states.values()];
    const sum = total(all, rate, now);
    const shown = [
      ...fitting(all, (size?.rows ?? 24) - 2).map(line),
      ...(sum === undefined ? [] : [sum]),
    ].map((text) => text.slice(0, columns - 1));
    // Up to the first bar, then each line anew; what was below is gone.
    const up = drawn > 0 ? `\x1b[${drawn}A` : '';
    const rest = drawn > shown.length ? '\x1b[J' : '';
    session.err(up + shown.map((text) => `\r\x1b[2K${text}\n`).join('') + rest);
    drawn = shown.length;
  };
}

/** As many blobs as the terminal has lines for: those that are finished go first. */
function fitting(all: readonly ProgressEvent[], rows: number): ProgressEvent[] {
  const surplus = all.length - Math.max(1, rows);
  if (surplus <= 0) return [...all];
  const hidden = new Set(all.filter(({ phase }) => finished(phase)).slice(0, surplus));
  return all.filter((state) => !hidden.has(state)).slice(0, Math.max(1, rows));
}

/** The sum of what is moved, while there is more than one blob of it. */
function total(all: readonly ProgressEvent[], rate: Rate, now: number): string | undefined {
  const moved = all.filter(({ phase }) => phase !== 'exists');
  if (moved.length < 2) return undefined;
  // While a layer is unpacked, it has come: its numbers are of what is unpacked.
  const current = moved.reduce(
    (sum, state) => sum + (state.phase === 'download' ? state.current : state.total),
    0,
  );
  const whole = moved.reduce((sum, state) => sum + state.total, 0);
  const speed = rate.at(now, current);
  const finishedAll = moved.every(({ phase }) => finished(phase));
  const tail = finishedAll || speed === undefined ? '' : ` ${humanSize(speed)}/s`;
  return `Total ${moved.filter(({ phase }) => finished(phase)).length}/${moved.length} ${humanSize(current)} / ${humanSize(whole)}${tail}`;
}

function finished(phase: ProgressEvent['phase']): boolean {
  return phase === 'done' || phase === 'exists';
}

/** Bytes in a second, of late. */
class Rate {
  readonly #points: { time: number; bytes: number }[] = [];

  at(time: number, bytes: number): number | undefined {
    this.#points.push({ time, bytes });
    while (this.#points.length > 2 && time - (this.#points[0]?.time ?? 0) > RATE_WINDOW) this.#points.shift();
    const first = this.#points[0];
    if (first === undefined || time <= first.time) return undefined;
    return Math.max(0, ((bytes - first.bytes) / (time - first.time)) * 1000);
  }
}

function line({ phase, id, current, total: whole }: ProgressEvent): string {
  const name = `Copying blob ${id.replace(/^sha256:/, '').slice(0, 12)}`;
  if (phase === 'exists') return `${name} skipped: already exists`;
  if (phase === 'done') return `${name} done`;
  const share = whole > 0 ? Math.min(1, current / whole) : 0;
  const filled = Math.floor(share * BAR_WIDTH);
  const bar = `${'='.repeat(filled)}${filled < BAR_WIDTH ? '>' : ''}`
    .padEnd(BAR_WIDTH, '-')
    .slice(0, BAR_WIDTH);
  return `${name} [${bar}] ${humanSize(current)} / ${humanSize(whole)}${phase === 'unpack' ? ' (unpacking)' : ''}`;
}
