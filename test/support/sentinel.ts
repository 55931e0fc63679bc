import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';

/** A place on the host that nothing may touch: what is in it and its times, as one text. */
export class Sentinel {
  readonly directory: string;
  readonly file: string;
  #before: string;

  constructor(parent: string) {
    this.directory = join(parent, `sentinel-${Math.random().toString(36).slice(2)}`);
    mkdirSync(this.directory);
    this.file = join(this.directory, 'file');
    writeFileSync(this.file, 'sentinel\n', { mode: 0o640 });
    mkdirSync(join(this.directory, 'sub'));
    this.#before = this.#state();
  }

  #state(): string {
    const lines: string[] = [];
    for (const name of ['.', ...readdirSync(this.directory, { recursive: true, encoding: 'utf8' }).sort()]) {
      const path = join(this.directory, name);
      const { mode, uid, gid, mtimeMs, ctimeMs, size, nlink } = statSync(path);
      lines.push([name, mode, uid, gid, mtimeMs, ctimeMs, size, nlink].join(' '));
    }
    return `${lines.join('\n')}\n${readFileSync(this.file, 'utf8')}`;
  }

  /** The same place, as it is from now on. */
  again(): this {
    this.#before = this.#state();
    return this;
  }

  expectUntouched(): void {
    expect(this.#state()).to.equal(this.#before);
  }
}
