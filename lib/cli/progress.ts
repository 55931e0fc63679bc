import { humanSize } from './human.js';
import type { Progress } from './library.js';
import type { Session } from './verb.js';

const BAR_WIDTH = 38;
/** Between two drawings of the bars, in milliseconds. */
const DRAW_EVERY = 100;

/** Reports a transfer on stderr: a bar for each blob on a terminal, else a line when a blob starts. */
export function progressPrinter(session: Session): (event: Progress) => void {
  return session.host.isTerminal(2) ? bars(session) : lines(session);
}

function lines(session: Session): (event: Progress) => void {
  const seen = new Set<string>();
  return ({ phase, id }) => {
    if (seen.has(id)) return;
    seen.add(id);
    session.err(`Copying blob ${id}${phase === 'exists' ? ' [already exists]' : ''}\n`);
  };
}

function bars(session: Session): (event: Progress) => void {
  const states = new Map<string, Progress>();
  let drawn = 0;
  let last = 0;
  return (event) => {
    const news = states.get(event.id)?.phase !== event.phase;
    states.set(event.id, event);
    const now = session.host.now().getTime();
    if (!news && now - last < DRAW_EVERY) return;
    last = now;
    const columns = session.host.size()?.columns ?? 80;
    const shown = [...states.values()].map((state) => line(state).slice(0, columns - 1));
    // Up to the first bar, then each line anew.
    const up = drawn > 0 ? `\x1b[${drawn}A` : '';
    session.err(up + shown.map((text) => `\r\x1b[2K${text}\n`).join(''));
    drawn = shown.length;
  };
}

function line({ phase, id, current, total }: Progress): string {
  const name = `Copying blob ${id.replace(/^sha256:/, '').slice(0, 12)}`;
  if (phase === 'exists') return `${name} skipped: already exists`;
  if (phase === 'done') return `${name} done`;
  const share = total > 0 ? Math.min(1, current / total) : 0;
  const filled = Math.floor(share * BAR_WIDTH);
  const bar = `${'='.repeat(filled)}${filled < BAR_WIDTH ? '>' : ''}`
    .padEnd(BAR_WIDTH, '-')
    .slice(0, BAR_WIDTH);
  return `${name} [${bar}] ${humanSize(current)} / ${humanSize(total)}${phase === 'unpack' ? ' (unpacking)' : ''}`;
}
