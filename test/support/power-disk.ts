import { type ChildProcess, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { PowerAnswer, PowerRequest, Survivors } from './children/power-disk.js';
import { startNode } from './programs.js';

/**
 * An ext4 file system on a disk that can lose its power (see children/power-disk): then it has what was flushed to it,
 * and of what was not whatever is asked for, block by block, in no order.
 */
export class PowerDisk {
  /** Where it is mounted. */
  readonly mount: string;
  readonly #disk: string;
  readonly #server: ChildProcess;

  private constructor(directory: string, size: number) {
    this.mount = join(directory, 'mount');
    this.#disk = join(directory, 'disk');
    for (const path of [this.mount, this.#disk]) mkdirSync(path, { recursive: true });
    this.#server = startNode('test/support/children/power-disk', [this.#disk, String(size), this.mount], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
  }

  /** @param size - bytes; all of them are in memory */
  static async make(directory: string, size: number): Promise<PowerDisk> {
    const disk = new PowerDisk(directory, size);
    const [{ mounted }] = (await once(disk.#server, 'message')) as [{ mounted: boolean }];
    if (!mounted) throw new Error('the disk cannot be mounted');
    execFileSync('mkfs.ext4', [
      '-q',
      '-F',
      '-E',
      'lazy_itable_init=0,lazy_journal_init=0',
      join(disk.#disk, 'disk'),
    ]);
    disk.#attach();
    return disk;
  }

  /** Takes the power away: nothing reaches the disk any more, though nobody who writes sees that. */
  async cut(survivors: Survivors, seed: number): Promise<PowerAnswer> {
    return this.#ask({ cut: { survivors, seed } });
  }

  /** Gives the power again, and mounts what is on the disk. Nobody may use what was mounted before. */
  async restore(): Promise<void> {
    execFileSync('umount', [this.mount]);
    await this.#ask({ on: true });
    this.#attach();
  }

  async remove(): Promise<void> {
    execFileSync('umount', [this.mount, this.#disk]);
    if (this.#server.exitCode === null) await once(this.#server, 'exit');
  }

  #attach(): void {
    execFileSync('mount', ['-t', 'ext4', '-o', 'loop', join(this.#disk, 'disk'), this.mount]);
  }

  async #ask(request: PowerRequest): Promise<PowerAnswer> {
    const answer = once(this.#server, 'message') as Promise<[PowerAnswer]>;
    this.#server.send(request);
    return (await answer)[0];
  }
}
