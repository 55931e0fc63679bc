import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { closeSync, openSync, readdirSync, readFileSync, readlinkSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { Readable } from 'node:stream';
import { expect } from 'chai';
import { VainaError } from '../../lib/errors.js';
import { compileStatic, importHostile, REPO, startNode, useEngine } from '../support/containers.js';
import { monitorPids } from '../support/leftovers.js';
import { requires } from '../support/requires.js';

/*
 * Classes of holes that the peers had, by their number in the security catalogue. A test here counts once it was seen red:
 * docs/security.md says for each what to take out for that.
 */

describe('security: the engine that starts and joins a container', function () {
  this.timeout(120_000);
  requires('root', 'gcc');
  const box = useEngine((root) => {
    compileStatic('test/support/probe.c', join(root, 'probe'));
    compileStatic('test/support/grab.c', join(root, 'grab'));
  });

  describe('R1: the engine’s own programs', () => {
    const programs = (): string[] => [
      process.execPath,
      ...readdirSync(join(REPO, 'build/Release')).map((name) => join(REPO, 'build/Release', name)),
    ];
    const digests = (): string[] =>
      programs()
        .filter((path) => statSync(path).isFile())
        .map((path) => `${createHash('sha256').update(readFileSync(path)).digest('hex')} ${path}`);

    it('cannot be opened from inside, for reading or writing, while the engine joins again and again', async () => {
      const before = digests();
      const container = await box.engine.containers.create(box.image, {
        command: ['/grab', '3000'],
      });
      const process = await container.start({ stdio: ['ignore', 'pipe', 'ignore'] });
      const output = text(process.stdout as Readable);
      let execs = 0;
      let running = true;
      const ended = process.wait().finally(() => (running = false));
      while (running) {
        await container.exec(['true']).catch((error: unknown) => {
          if (running && !VainaError.is(error, 'ERR_INVALID_STATE')) throw error;
        });
        execs++;
      }
      await ended;
      const [, ...counts] =
        /looks (\d+) exe (\d+) write (\d+) dir (\d+) ptrace (\d+)/.exec(await output) ?? [];
      expect(execs).to.be.greaterThan(20);
      expect(Number(counts[0]), 'processes looked at').to.be.greaterThan(20);
      expect(counts.slice(1)).to.deep.equal(['0', '0', '0', '0']);
      expect(digests()).to.deep.equal(before);
      await container.remove();
    });

    for (const target of ['/proc/self/exe', '/proc/1/exe']) {
      it(`are not what ${target} as the command of a run or an exec executes`, async () => {
        const before = digests();
        const run = await box.engine
          .run(box.image, [target], { timeoutMs: 10_000 })
          .catch((error: unknown) => error);
        // Refused, or started and ended by itself: it must do nothing with the host's programs.
        if (!VainaError.is(run)) expect((run as { exitCode: number }).exitCode).to.not.equal(0);
        const container = await box.engine.containers.run(box.image, { command: ['sleep', '1000'] });
        const exec = await container.exec([target]).catch((error: unknown) => error);
        if (target === '/proc/self/exe' && !VainaError.is(exec))
          expect((exec as { exitCode: number }).exitCode).to.not.equal(0);
        await container.remove({ force: true, timeout: 0 });
        expect(digests()).to.deep.equal(before);
      });
    }

    it('run from memory that is sealed against change', async () => {
      const known = new Set(monitorPids());
      const container = await box.engine.containers.run(box.image, { command: ['sleep', '1000'] });
      const [pid] = monitorPids().filter((one) => !known.has(one));
      const exe = openSync(`/proc/${pid}/exe`, 'r');
      expect(readlinkSync(`/proc/self/fd/${exe}`)).to.match(/^\/memfd:/);
      // Every way to write: all refused (EPERM by the seal, ETXTBSY while it runs).
      const seals = execFileSync('python3', ['-c', 'import fcntl; print(fcntl.fcntl(0, 1034))'], {
        stdio: [exe, 'pipe', 'inherit'],
        encoding: 'utf8',
      });
      closeSync(exe);
      // F_SEAL_SEAL, SHRINK, GROW and WRITE.
      expect(Number(seals) & 0b1111).to.equal(0b1111);
      await container.remove({ force: true, timeout: 0 });
    });
  });

  describe('R2: descriptors of the host', () => {
    for (const init of [false, true]) {
      it(`none but 0, 1 and 2 is open in a run and an exec${init ? ' with init' : ''}, however many the engine’s program leaks`, async () => {
        const leak = join(box.directory, 'leak.so');
        execFileSync('gcc', ['-shared', '-fPIC', '-o', leak, join(REPO, 'test/support/leak.c')]);
        const task = { root: box.root, runroot: box.runroot, image: box.image, init, leak };
        const child = startNode('test/support/children/inherit', [JSON.stringify(task)], {
          stdio: ['ignore', 'pipe', 'inherit'],
        });
        const result = JSON.parse(await text(child.stdout as Readable)) as Record<string, string[]>;
        expect(result).to.deep.equal({ run: ['0', '1', '2'], exec: ['0', '1', '2'], main: ['0', '1', '2'] });
      });
    }

    it('are no working directory, by option or by image', async () => {
      const container = await box.engine.containers.run(box.image, { command: ['sleep', '1000'] });
      for (let descriptor = 0; descriptor < 40; descriptor++) {
        const workdir = `/proc/self/fd/${descriptor}`;
        const seen = await box.engine.run(box.image, ['pwd'], { workdir }).catch((error: unknown) => error);
        expect(VainaError.is(seen), `run in ${workdir}`).to.equal(true);
        const joined = await container.exec(['pwd'], { workdir }).catch((error: unknown) => error);
        expect(VainaError.is(joined), `exec in ${workdir}`).to.equal(true);
      }
      await container.remove({ force: true, timeout: 0 });
      const image = await importHostile(box, () => undefined, ['WORKDIR /proc/self/fd/7']);
      const seen = await box.engine.run(image, ['pwd']).catch((error: unknown) => error);
      expect(VainaError.is(seen)).to.equal(true);
    });

    it('do not show through links of the image to /proc/self/fd', async () => {
      const image = await importHostile(box, (root) => {
        for (let i = 0; i < 20; i++) symlinkSync(`/proc/self/fd/${i}`, join(root, `fd${i}`));
      });
      for (let i = 0; i < 20; i++) {
        const workdir = `/fd${i}`;
        const seen = await box.engine.run(image, ['pwd'], { workdir }).catch((error: unknown) => error);
        expect(VainaError.is(seen), `${workdir} gave ${JSON.stringify(seen)}`).to.equal(true);
      }
    });
  });
});
