import { CommandError } from './errors.js';
import type { Host } from './host.js';

/** A raw terminal gives keys: Enter, or Control-C or -D, ends. */
const END_OF_SECRET = '\r\n\x03\x04';

/** Asks the user on the terminal, or whoever writes to standard input. */
export class Prompt {
  readonly #host: Host;
  #rest = '';
  #ended = false;

  constructor(host: Host) {
    this.#host = host;
  }

  /** Asks for a line, which the terminal shows. Empty at the end of the input. */
  async line(question: string): Promise<string> {
    this.#host.write(1, question);
    return (await this.#until('\n')).text.replace(/\r$/, '');
  }

  /**
   * Asks for a secret on the terminal, which does not show it.
   * @param failure - begins the message of a failure
   * @throws CommandError without a terminal, when the terminal is gone, and when the user interrupts
   */
  async secret(question: string, failure: string): Promise<string> {
    this.#host.write(1, question);
    if (!this.#host.isTerminal(0)) throw new CommandError(`${failure}: inappropriate ioctl for device`);
    this.#host.setRaw(true);
    try {
      const { text, end } = await this.#until(END_OF_SECRET);
      if (end === '\x03') throw new CommandError('interrupted', 130);
      if (end === '') throw new CommandError(`${failure}: EOF`);
      return erased(text);
    } finally {
      this.#host.setRaw(false);
      this.#host.write(1, '\n');
    }
  }

  /** All that comes until the end, without line ends. */
  async all(): Promise<string> {
    const { text } = await this.#until('');
    return text.split(/\r?\n/).join('');
  }

  /** What comes before one of some characters, or the end of the input. */
  async #until(ends: string): Promise<{ text: string; end: string }> {
    for (;;) {
      const found = [...this.#rest].findIndex((character) => ends.includes(character));
      if (found !== -1 || this.#ended) {
        const characters = [...this.#rest];
        const text = characters.slice(0, found === -1 ? undefined : found).join('');
        const end = found === -1 ? '' : (characters[found] ?? '');
        this.#rest = this.#rest.slice(text.length + end.length);
        return { text, end };
      }
      const chunk = await this.#chunk();
      if (chunk === undefined) this.#ended = true;
      else this.#rest += chunk;
    }
  }

  /** The next bytes of the input; undefined at its end. */
  #chunk(): Promise<string | undefined> {
    const input = this.#host.stdin();
    return new Promise((done, fail) => {
      const take = (): void => {
        const data = input.read() as Buffer | string | null;
        if (data !== null) settle(() => done(data.toString()));
      };
      const end = (): void => settle(() => done(undefined));
      const wrong = (error: Error): void => settle(() => fail(error));
      const settle = (finish: () => void): void => {
        input.off('readable', take).off('end', end).off('close', end).off('error', wrong);
        finish();
      };
      if (input.readableEnded || input.destroyed) return done(undefined);
      input.on('readable', take).once('end', end).once('close', end).once('error', wrong);
    });
  }
}

/** Backspace takes a character away, Control-U all. */
function erased(keys: string): string {
  let text: string[] = [];
  for (const key of keys) {
    if (key === '\x7f' || key === '\b') text.pop();
    else if (key === '\x15') text = [];
    else text.push(key);
  }
  return text.join('');
}

/** Lets the user choose one of some lines; undefined for none where there is no terminal to ask at. */
export function chooser(host: Host): ((candidates: readonly string[]) => Promise<string>) | undefined {
  if (!host.isTerminal(0) || !host.isTerminal(1)) return undefined;
  return async (candidates) => {
    const lines = candidates.map((candidate, i) => `  ${i + 1}) ${candidate}\n`);
    const prompt = new Prompt(host);
    for (;;) {
      const said = (await prompt.line(`Please select an image:\n${lines.join('')}Number: `)).trim();
      const chosen = /^[0-9]{1,4}$/.test(said) ? candidates[Number(said) - 1] : undefined;
      if (chosen !== undefined) return chosen;
      if (said === '') throw new CommandError('no image was selected');
    }
  };
}
