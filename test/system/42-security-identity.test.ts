import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { VainaError } from '../../lib/errors.js';
import {
  compileStatic,
  expectError,
  makeBusyboxRoot,
  packRoot,
  until,
  useEngine,
} from '../support/containers.js';
import { requires } from '../support/requires.js';

/*
 * Classes of holes that the peers had, by their number in the security catalogue. A test here counts once it was seen red:
 * docs/security.md says for each what to take out for that.
 */

describe('security: who a process is', function () {
  this.timeout(120_000);
  requires('root', 'gcc');
  const box = useEngine((root) => {
    // Busybox would give the rights up by itself.
    compileStatic('test/support/probe.c', join(root, 'set-user-id'));
    chmodSync(join(root, 'set-user-id'), 0o4755);
  });
  const SETS = ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'] as const;

  function capabilities(status: string): Record<(typeof SETS)[number], bigint> {
    const read = (name: string): bigint =>
      BigInt(`0x${new RegExp(`^${name}:\\t(\\w+)$`, 'm').exec(status)?.[1] ?? 'none'}`);
    return Object.fromEntries(SETS.map((name) => [name, read(name)])) as Record<
      (typeof SETS)[number],
      bigint
    >;
  }

  /** What the probe says of a status file, as the file says it. */
  function facts(output: string | Buffer): string {
    return String(output).replace(/^status\t(\w+)\t/gm, '$1:\t');
  }

  const ELEVEN = 0x800405fbn;
  const RAW = 1n << 13n;

  // user, added → what a run and an exec have: inheritable, permitted, effective, bounding, ambient
  const TABLE: [string, string[], [bigint, bigint, bigint, bigint, bigint]][] = [
    ['0', [], [0n, ELEVEN, ELEVEN, ELEVEN, 0n]],
    ['0', ['NET_RAW'], [0n, ELEVEN | RAW, ELEVEN | RAW, ELEVEN | RAW, 0n]],
    ['1000', [], [0n, 0n, 0n, ELEVEN, 0n]],
    ['alice', [], [0n, 0n, 0n, ELEVEN, 0n]],
    ['1000:0', [], [0n, 0n, 0n, ELEVEN, 0n]],
    ['4242', [], [0n, 0n, 0n, ELEVEN, 0n]],
    // Only what was asked for by name, and then all the way (execve would drop it otherwise).
    ['1000', ['NET_RAW'], [RAW, RAW, RAW, ELEVEN | RAW, RAW]],
  ];

  for (const [user, capAdd, expected] of TABLE) {
    it(`R10, R11: user ${user}${capAdd.length > 0 ? ` with ${capAdd.join()}` : ''} has the capabilities of the table`, async () => {
      const run = await box.engine.run(box.image, ['cat', '/proc/self/status'], { user, capAdd });
      expect(SETS.map((name) => capabilities(String(run.stdout))[name])).to.deep.equal(expected);
      const container = await box.engine.containers.run(box.image, {
        command: ['sleep', '1000'],
        user,
        capAdd,
      });
      const exec = await container.exec(['cat', '/proc/self/status']);
      expect(SETS.map((name) => capabilities(String(exec.stdout))[name])).to.deep.equal(expected);
      await container.remove({ force: true, timeout: 0 });
    });
  }

  it('R11: an exec as another user than root has none, though the container’s root has some', async () => {
    const container = await box.engine.containers.run(box.image, {
      command: ['sleep', '1000'],
      capAdd: ['NET_RAW'],
    });
    const sets = capabilities(
      String((await container.exec(['cat', '/proc/self/status'], { user: '1000' })).stdout),
    );
    expect(SETS.map((name) => sets[name])).to.deep.equal([0n, 0n, 0n, ELEVEN | RAW, 0n]);
    const regained = await container.exec(['sh', '-c', 'chown 0 /tmp 2>&1; cat /etc/shadow 2>&1; true'], {
      user: '1000',
    });
    expect(regained.stdout).to.match(/not permitted/);
    await container.remove({ force: true, timeout: 0 });
  });

  it('R11: a set-user-id program of the image gives no more than the bounding set', async () => {
    const container = await box.engine.containers.run(box.image, { command: ['sleep', '1000'] });
    const raised = await container.exec(['/set-user-id'], { user: '1000' });
    expect(SETS.map((name) => capabilities(facts(raised.stdout))[name])).to.deep.equal([
      0n,
      ELEVEN,
      ELEVEN,
      ELEVEN,
      0n,
    ]);
    await container.remove({ force: true, timeout: 0 });
    const securityOpt = ['no-new-privileges'];
    const strict = await box.engine.containers.run(box.image, { command: ['sleep', '1000'], securityOpt });
    for (const output of [
      (await strict.exec(['/set-user-id'], { user: '1000' })).stdout,
      (await box.engine.run(box.image, ['/set-user-id'], { user: '1000', securityOpt })).stdout,
    ])
      expect(capabilities(facts(output))).to.include({ CapPrm: 0n, CapEff: 0n });
    await strict.remove({ force: true, timeout: 0 });
  });

  // A user whose name is a number: the number must never be looked up as a name.
  const PASSWD =
    'root:x:0:0::/root:/bin/sh\n1000:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\n4294967296:x:0:0::/:/bin/sh\n';
  const USERS: [string, string][] = [
    ['1', '1:0'],
    ['1000', '1000:1000'],
    ['alice', '1000:1000'],
    ['2147483647', '2147483647:0'],
    ['1000:7', '1000:7'],
    ['0', '0:0'],
    ['root', '0:0'],
    ['2147483648', 'refused'],
    ['4294967295', 'refused'],
    ['4294967296', 'refused'],
    ['4294968296', 'refused'],
    ['18446744073709551616', 'refused'],
    ['-1', 'refused'],
    ['+0', 'refused'],
    ['0x0', 'refused'],
    ['1e3', 'refused'],
    ['1:', 'refused'],
    [':1', 'refused'],
    ['1:1:1', 'refused'],
    ['1000 ', 'refused'],
    ['alice\n', 'refused'],
    ['1000:4294967296', 'refused'],
    ['1000:-1', 'refused'],
  ];

  it('R12: a user is the id it says, or refused; never 0 by accident', async () => {
    const parent = join(box.directory, 'r12');
    mkdirSync(parent);
    const root = makeBusyboxRoot(parent, { 'etc/passwd': PASSWD });
    await box.engine.images.import(packRoot(root), {
      reference: 'localhost/r12',
      changes: ['ENV PATH=/bin'],
    });
    const container = await box.engine.containers.run('localhost/r12', { command: ['sleep', '1000'] });
    for (const [user, expected] of USERS) {
      const id = ['sh', '-c', 'echo $(id -u):$(id -g)'];
      for (const work of [
        (): Promise<unknown> => box.engine.run('localhost/r12', id, { user }),
        (): Promise<unknown> => container.exec(id, { user }),
      ]) {
        const result = await work().catch((error: unknown) => error);
        if (expected === 'refused') {
          expect(VainaError.is(result), `${JSON.stringify(user)} gave ${JSON.stringify(result)}`).to.equal(
            true,
          );
          expect((result as VainaError).code).to.be.oneOf(['ERR_INVALID_OPTION', 'ERR_NO_SUCH_USER']);
        } else {
          expect((result as { stdout: string }).stdout, user).to.equal(`${expected}\n`);
        }
      }
    }
    await container.remove({ force: true, timeout: 0 });
  });

  it('R12: an image’s own USER goes through the same parser', async () => {
    const parent = join(box.directory, 'r12-image');
    mkdirSync(parent);
    const archive = packRoot(makeBusyboxRoot(parent, { 'etc/passwd': PASSWD }));
    for (const user of ['4294967296', '-1', '0x0', 'nobody-here']) {
      const reference = 'localhost/r12-user';
      const imported = await box.engine.images
        .import(archive, { reference, changes: [`USER ${user}`, 'ENV PATH=/bin'] })
        .catch((error: unknown) => error);
      if (VainaError.is(imported)) continue;
      const result = await box.engine.run(reference, ['id', '-u']).catch((error: unknown) => error);
      expect(VainaError.is(result), `${user} gave ${JSON.stringify(result)}`).to.equal(true);
    }
  });

  // user → all groups, in a run and an exec. alice is in staff (50) and audio (29) by /etc/group, root in audio.
  const GROUPS: [string, string][] = [
    ['alice', '29 50 1000'],
    ['1000', '29 50 1000'],
    ['alice:staff', '50'],
    ['1000:1000', '1000'],
    ['4242', '0'],
    ['root', '0 29'],
  ];

  for (const [user, groups] of GROUPS) {
    it(`R13: user ${user} has the groups ${groups}, so that a file that denies a group denies it`, async () => {
      const sorted = (output: unknown): string =>
        String((output as { stdout: string }).stdout)
          .trim()
          .split(/\s+/)
          .sort((a, b) => Number(a) - Number(b))
          .join(' ');
      expect(sorted(await box.engine.run(box.image, ['id', '-G'], { user }))).to.equal(groups);
      const container = await box.engine.containers.run(box.image, { command: ['sleep', '1000'] });
      expect(sorted(await container.exec(['id', '-G'], { user }))).to.equal(groups);
      // Mode 0707 and another owner: members of the group are refused, others are not.
      const primary = groups.split(' ').at(-1) ?? '';
      await container.exec([
        'sh',
        '-c',
        `echo x >/tmp/denied; chown 7:${primary} /tmp/denied; chmod 0707 /tmp/denied`,
      ]);
      if (user !== 'root')
        expect((await container.exec(['cat', '/tmp/denied'], { user })).stderr).to.match(/Permission denied/);
      // The raw list of the kernel holds the primary group too: dropping it by setgid must not open the file.
      const status = await container.exec(['grep', '^Groups:', '/proc/self/status'], { user });
      expect(String(status.stdout).trim().split(/\s+/).slice(1)).to.have.members(groups.split(' '));
      await container.remove({ force: true, timeout: 0 });
    });
  }

  it('refuses passwd and group files that are no ordinary files, or endless, at once', async () => {
    for (const prepare of [
      (root: string): void => execFileSync('mkfifo', [join(root, 'etc/passwd')]) as unknown as void,
      (root: string): void => symlinkSync('/etc/passwd-of-the-host', join(root, 'etc/passwd')),
      (root: string): void =>
        execFileSync('truncate', ['-s', '1G', join(root, 'etc/passwd')]) as unknown as void,
    ]) {
      const parent = join(box.directory, `passwd-${Math.random().toString(36).slice(2)}`);
      mkdirSync(parent);
      const root = makeBusyboxRoot(parent);
      rmSync(join(root, 'etc/passwd'));
      prepare(root);
      const before = performance.now();
      const result = await box.engine
        .run(null, ['/bin/id', '-u'], { rootfs: root, user: 'alice', env: { PATH: '/bin' } })
        .catch((error: unknown) => error);
      expect(VainaError.is(result)).to.equal(true);
      expect(performance.now() - before).to.be.lessThan(3000);
    }
    await until(
      'no container is left',
      async () => (await box.engine.containers.list({ all: true })).length === 0,
    );
    await expectError('ERR_NO_SUCH_USER', box.engine.run(box.image, ['true'], { user: 'nobody-here' }));
  });
});
