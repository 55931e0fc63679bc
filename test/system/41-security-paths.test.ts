import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { text } from 'node:stream/consumers';
import type { Readable } from 'node:stream';
import { expect } from 'chai';
import { VainaError } from '../../lib/errors.js';
import type { ContainerOptions } from '../../lib/index.js';
import { compileStatic, expectError, importHostile, MUST_RUN, useEngine } from '../support/containers.js';
import { requires } from '../support/requires.js';
import { Sentinel } from '../support/sentinel.js';

/*
 * Classes of holes that the peers had, by their number in the security catalogue. A test here counts once it was seen red:
 * docs/security.md says for each what to take out for that.
 */

describe('security: paths of an image and of volumes', function () {
  this.timeout(120_000);
  requires('root', 'gcc');
  const box = useEngine();

  describe('R3: mount targets', () => {
    it('stay inside the root, whatever links of the image they lead through', async () => {
      const sentinel = new Sentinel(box.directory);
      const deep = `../../../../../../../..${sentinel.directory}`;
      const image = await importHostile(box, (root) => {
        symlinkSync(sentinel.directory, join(root, 'absolute'));
        symlinkSync(deep, join(root, 'relative'));
        symlinkSync(join(sentinel.directory, 'not-there'), join(root, 'dangling'));
        symlinkSync('absolute', join(root, 'hop'));
        symlinkSync(sentinel.file, join(root, 'to-file'));
        symlinkSync('/proc/1/root', join(root, 'magic'));
      });
      const source = join(box.directory, 'source');
      mkdirSync(source, { recursive: true });
      writeFileSync(join(source, 'mark'), 'mounted');
      for (const link of [
        'absolute',
        'relative',
        'dangling',
        'hop',
        'absolute/new/deep',
        'relative/sub',
        'dangling/x',
        'hop/../y',
      ]) {
        const result = await box.engine
          .run(image, ['cat', `${posix.normalize(`/${link}`)}/mark`], {
            volumes: [`${source}:/${link}`],
            tmpfs: [`/${link}2`, `/${link}/tmp`],
          })
          .catch((error: unknown) => error);
        sentinel.expectUntouched();
        if (!VainaError.is(result)) expect((result as { stdout: string }).stdout, link).to.equal('mounted');
      }
      for (const link of ['to-file', 'magic', 'magic/x', 'magic/tmp']) {
        await box.engine
          .run(image, ['true'], { volumes: [`${source}:/${link}`, `${source}/mark:/${link}-file`] })
          .catch((error: unknown) => {
            if (!VainaError.is(error)) throw error;
          });
        sentinel.expectUntouched();
      }
    });

    it('stay inside while another container swaps a directory of a shared volume for a link', async () => {
      const creates = MUST_RUN ? 2000 : 200;
      const sentinel = new Sentinel(box.directory);
      const volume = join(box.directory, 'shared');
      mkdirSync(join(volume, 'a'), { recursive: true });
      symlinkSync(sentinel.directory, join(volume, 'b'));
      const flipper: ChildProcess = spawn(
        compileStatic('test/support/flip.c', join(box.directory, 'flip')),
        [join(volume, 'a'), join(volume, 'b')],
        { stdio: 'ignore' },
      );
      const mounts = readFileSync('/proc/self/mountinfo', 'utf8');
      let mounted = 0;
      let count = 0;
      const lane = async (): Promise<void> => {
        while (count++ < creates) {
          const options = {
            volumes: [`${volume}:/vol`, `${box.directory}/source:/vol/a/new${count % 7}`],
            tmpfs: ['/vol/a/tmp'],
          };
          const result = await box.engine.run(box.image, ['true'], options).catch((error: unknown) => error);
          if (!VainaError.is(result)) mounted++;
        }
      };
      mkdirSync(`${box.directory}/source`, { recursive: true });
      try {
        await Promise.all([lane(), lane()]);
      } finally {
        const ended = once(flipper, 'exit');
        flipper.kill('SIGKILL');
        await ended;
      }
      // Most of them must have got as far as to be at risk.
      expect(mounted).to.be.greaterThan(creates / 10);
      sentinel.expectUntouched();
      expect(readFileSync('/proc/self/mountinfo', 'utf8')).to.equal(mounts);
    }).timeout(300_000);
  });

  describe('R4: masked paths', () => {
    it('are masked by the host’s null device, whatever the image says /dev/null is', async () => {
      const image = await importHostile(box, (root) => {
        writeFileSync(join(root, 'etc/sent'), 'from the image\n');
        symlinkSync('/etc/sent', join(root, 'dev/null'));
      });
      const options: ContainerOptions = { securityOpt: ['mask=/etc/passwd'] };
      const result = await box.engine.run(
        image,
        [
          'sh',
          '-c',
          'cat /etc/passwd /proc/keys /proc/timer_list; stat -c "%F %t:%T" /etc/passwd /proc/keys',
        ],
        options,
      );
      expect(result.stdout).to.equal('character special file 1:3\ncharacter special file 1:3\n');
    });

    it('are masked by it as well when a volume covers /dev', async () => {
      const image = await importHostile(box, (root) =>
        writeFileSync(join(root, 'etc/sent'), 'from the image\n'),
      );
      for (const prepare of [
        (path: string): void => symlinkSync('/etc/sent', path),
        (path: string): void => writeFileSync(path, 'from the volume\n'),
      ]) {
        const volume = mkdtempSync(join(box.directory, 'dev-volume-'));
        prepare(join(volume, 'null'));
        const result = await box.engine.run(image, ['cat', '/proc/keys', '/proc/timer_list'], {
          volumes: [`${volume}:/dev`],
        });
        expect(result).to.include({ exitCode: 0, stdout: '' });
      }
    });
  });

  describe('R5: the console', () => {
    it('is a terminal of the container, whatever the image has at /dev/console and /dev/pts/0', async () => {
      const sentinel = new Sentinel(box.directory);
      const image = await importHostile(box, (root) => {
        symlinkSync(sentinel.file, join(root, 'dev/console'));
        mkdirSync(join(root, 'dev/pts'));
        symlinkSync(sentinel.file, join(root, 'dev/pts/0'));
        symlinkSync(sentinel.file, join(root, 'dev/ptmx'));
      });
      const container = await box.engine.containers.create(image, {
        command: ['sh', '-c', 'tty; stat -c %F /dev/console'],
        tty: true,
      });
      const process = await container.start({ stdio: ['ignore', 'pipe', 'ignore'] });
      const output = text(process.stdout as Readable);
      expect((await process.wait()).exitCode).to.equal(0);
      expect(await output).to.match(/^\/dev\/(console|pts\/0)\r\ncharacter special file\r\n$/);
      await container.remove();
      sentinel.expectUntouched();
    });

    it('is not made through links of a volume at /dev', async () => {
      const sentinel = new Sentinel(box.directory);
      const volume = join(box.directory, 'console-volume');
      mkdirSync(join(volume, 'pts'), { recursive: true });
      for (const path of ['console', 'pts/0', 'ptmx', 'null', 'shm', 'mqueue', 'fd', 'stdin'])
        symlinkSync(sentinel.file, join(volume, path));
      await box.engine
        .run(box.image, ['true'], { volumes: [`${volume}:/dev`], tty: true })
        .catch((error: unknown) => {
          if (!VainaError.is(error)) throw error;
        });
      sentinel.expectUntouched();
    });

    it('is not made where a link of a volume at /dev points to', async () => {
      const sentinel = new Sentinel(box.directory);
      const volume = join(box.directory, 'dangling-volume');
      mkdirSync(join(volume, 'pts'), { recursive: true });
      const options = { volumes: [`${volume}:/dev`, '/dev/pts:/dev/pts'], tty: true };
      // It can be made there, but for the link.
      expect((await box.engine.run(box.image, ['tty'], options)).exitCode).to.equal(0);
      rmSync(join(volume, 'console'));
      symlinkSync(join(sentinel.directory, 'made'), join(volume, 'console'));
      await expectError('ERR_STEP_FAILED', box.engine.run(box.image, ['true'], options));
      sentinel.expectUntouched();
    });

    it('does not follow a /dev that is a link', async () => {
      const sentinel = new Sentinel(box.directory);
      const image = await importHostile(box, (root) => {
        rmSync(join(root, 'dev'), { recursive: true });
        symlinkSync(sentinel.directory, join(root, 'dev'));
      });
      await expectError('ERR_STEP_FAILED', box.engine.run(image, ['true']));
      sentinel.expectUntouched();
    });
  });

  describe('R7: standard streams', () => {
    it('are ours, though the image has a regular file at /dev/null', async () => {
      const image = await importHostile(box, (root) =>
        writeFileSync(join(root, 'dev/null'), 'a file of the image\n'),
      );
      const result = await box.engine.run(image, [
        'sh',
        '-c',
        'echo out; echo err >&2; cat; stat -c %F /dev/null',
      ]);
      expect(result).to.include({ stdout: 'out\ncharacter special file\n', stderr: 'err\n' });
    });

    it('are ours, though a volume at /dev has one', async () => {
      const volume = join(box.directory, 'null-volume');
      mkdirSync(volume);
      writeFileSync(join(volume, 'null'), 'unchanged\n');
      const container = await box.engine.containers.create(box.image, {
        command: ['echo', 'out'],
        volumes: [`${volume}:/dev`],
      });
      const process = await container
        .start({ stdio: ['ignore', 'pipe', 'ignore'] })
        .catch((error: unknown) => error as VainaError);
      if (!VainaError.is(process)) {
        expect(await text(process.stdout as Readable)).to.equal('out\n');
        await process.wait();
      }
      expect(readFileSync(join(volume, 'null'), 'utf8')).to.equal('unchanged\n');
      await container.remove({ force: true });
    });
  });
});
