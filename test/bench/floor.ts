import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { compileStatic } from '../support/programs.js';

/** The program of floor.c as a partner that measures one thing at a time. */
export class Floor {
  readonly #child: ChildProcess;
  readonly #lines: Interface;
  readonly #waiting: ((line: string) => void)[] = [];

  /**
   * @param lower - the root file system that its containers have
   * @param front - a command line that runs it, and what it spawns, in surroundings of their own
   */
  constructor(lower: string, directory: string, front: readonly string[] = []) {
    const scratch = join(directory, `floor-${front.length}`);
    mkdirSync(scratch);
    const program = compileStatic('test/bench/floor.c', join(scratch, 'floor'));
    const [command = '', ...args] = [...front, program, lower, scratch];
    this.#child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#lines = createInterface({ input: this.#child.stdout as Readable });
    this.#lines.on('line', (line) => this.#waiting.shift()?.(line));
    this.#child.on('exit', () => this.#waiting.splice(0).forEach((answer) => answer('-1')));
  }

  /** Milliseconds that `command` took: `run`, `exec`, or a command line to spawn. Rejects when it failed. */
  async measure(command: 'run' | 'exec' | readonly string[]): Promise<number> {
    const line = typeof command === 'string' ? command : `spawn ${command.join('\t')}`;
    const answer = await new Promise<string>((done) => {
      this.#waiting.push(done);
      (this.#child.stdin as Writable).write(`${line}\n`);
    });
    const nanoseconds = Number(answer);
    if (!(nanoseconds >= 0)) throw new Error(`failed: ${line.replaceAll('\t', ' ')}`);
    return nanoseconds / 1e6;
  }

  async close(): Promise<void> {
    const ended = new Promise((done) => this.#child.once('exit', done));
    this.#child.stdin?.end();
    await ended;
  }
}
