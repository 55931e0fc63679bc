import { chmodSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import { expect } from 'chai';
import {
  makeBusyboxRoot,
  makeDirectory,
  nodeArguments,
  packRoot,
  removeDirectory,
  runProgram,
} from '../support/containers.js';
import { expectNothingLeft, takeCensus, type Census } from '../support/leftovers.js';
import { requires } from '../support/requires.js';
import { asUser, createUser, nodeAsUser, removeUser, runAsUser, type TestUser } from '../support/users.js';

interface Answer {
  [key: string]: unknown;
  exitCode: number;
  stdout: string;
  stderr: string;
}

describe('an ordinary user', function () {
  this.timeout(60_000);
  requires('root', 'useradd', 'setpriv', 'busybox', 'newuidmap');
  let directory: string;
  let archive: string;

  before(() => {
    directory = makeDirectory();
    chmodSync(directory, 0o755);
    archive = packRoot(makeBusyboxRoot(directory));
  });

  after(() => {
    if (directory !== undefined) removeDirectory(directory);
  });

  async function ask(user: TestUser, task: string, json: object = {}): Promise<Answer> {
    const ended = await runAsUser(user, 'test/support/children/rootless', [task, JSON.stringify(json)]);
    expect(ended.exitCode, ended.stderr).to.equal(0);
    return JSON.parse(ended.stdout) as Answer;
  }

  describe('with subordinate ids', () => {
    let user: TestUser;
    let census: Census;

    before(() => {
      user = createUser('vainauser');
      census = takeCensus({ runroot: `${user.runtimeDirectory}/vaina` });
    });

    after(async () => {
      if (user === undefined) return;
      try {
        await expectNothingLeft(census, { runroot: `${user.runtimeDirectory}/vaina` }, 2000);
      } finally {
        removeUser(user.name);
      }
    });

    it('has a store of his own below his home, and imports an image into it', async () => {
      const answer = await ask(user, 'import', { archive });
      expect(answer).to.include({
        root: `${user.home}/.local/share/vaina`,
        runroot: `${user.runtimeDirectory}/vaina`,
      });
      expect(existsSync(`${user.home}/.local/share/vaina/images/oci-layout`)).to.equal(true);
    });

    it('runs as root of his own user namespace, with other ids for other users', async () => {
      const answer = await ask(user, 'run');
      const lines = answer.stdout.trim().split('\n');
      expect(answer.stderr).to.equal('err\n');
      expect(answer.exitCode).to.equal(7);
      expect(lines[0]).to.equal('0');
      const maps = lines
        .filter((line) => /^\s*\d+\s+\d+\s+\d+$/.test(line))
        .map((line) => line.trim().split(/\s+/).join(' '));
      expect(maps).to.deep.equal([`0 ${user.uid} 1`, `1 ${user.subids?.first} 65536`]);
      expect(lines.slice(-2)).to.deep.equal(['0:0', 'pod']);
      expect(answer['alice']).to.equal('1000\n1000:1000\n');
      expect(answer['input']).to.equal('through');
    });

    it('has the same capabilities, filter and mounts there as root’s containers have', async () => {
      const answer = await ask(user, 'run');
      expect(answer['status'])
        .to.match(/CapEff:\t00000000800405fb\n/)
        .and.match(/Seccomp:\t2\n/)
        .and.match(/CapInh:\t0{16}\n/);
      const mounts = String(answer['mounts']);
      expect(mounts).to.match(/ \/ rw[^\n]* - overlay overlay [^\n]*userxattr/);
      expect(mounts).to.match(/ \/proc rw,nosuid,nodev,noexec[^\n]* - proc proc/);
      expect(mounts).to.match(/ \/dev rw,nosuid[^\n]* - tmpfs/);
    });

    it('execs, lists, stops and removes', async () => {
      const answer = await ask(user, 'exec');
      expect(answer['exec']).to.deep.include({ exitCode: 3 });
      expect((answer['exec'] as Answer).stdout).to.match(/^[0-9a-f]{12}\n0\nin$/);
      expect(answer['listed']).to.deep.equal(['user-container']);
      expect(answer.exitCode).to.equal(137);
      expect(answer['left']).to.deep.equal([]);
    });

    it('is told by one typed error when a limit was asked for and no cgroup is delegated to him', async () => {
      const answer = await ask(user, 'limits');
      for (const limit of ['memory', 'cpus', 'pids'])
        expect(answer[limit], limit).to.match(/^ERR_CGROUP_NOT_DELEGATED .*\((?!no hint)/);
      // Without one, the default limit on processes is left out.
      expect(answer['none']).to.equal('no error: 0');
      expect(answer['left']).to.deep.equal([]);
    });

    it('sees by doctor what is missing', async () => {
      const answer = await ask(user, 'doctor');
      expect(JSON.stringify(answer['doctor'])).to.match(/cgroup/);
    });

    it('uses the command line as well', async () => {
      const [command, args] = nodeAsUser(user, 'lib/cli/main', [
        'run',
        '--rm',
        'localhost/busybox:user',
        'sh',
        '-c',
        'echo $(id -u) $(hostname); exit 4',
      ]);
      const ended = await runProgram(command, args, { cwd: '/' });
      expect(ended.stdout).to.match(/^0 [0-9a-f]{12}\n$/);
      expect(ended.exitCode, ended.stderr).to.equal(4);
    });

    it('removes images whose files belong to ids that he is not', async () => {
      expect((await ask(user, 'clear'))['images']).to.deep.equal([]);
      const [command = '', ...front] = asUser(user);
      const ended = await runProgram(command, [
        ...front,
        'find',
        `${user.home}/.local/share/vaina/layers`,
        '-mindepth',
        '1',
      ]);
      expect(ended.stdout + ended.stderr).to.equal('');
    });
  });

  describe('without subordinate ids', () => {
    let user: TestUser;

    before(() => {
      user = createUser('vainalone', { subids: false });
    });

    after(() => {
      if (user !== undefined) removeUser(user.name);
    });

    it('has one id in his containers: root', async () => {
      await ask(user, 'import', { archive });
      const answer = await ask(user, 'run');
      const maps = answer.stdout
        .split('\n')
        .filter((line) => /^\s*\d+\s+\d+\s+\d+$/.test(line))
        .map((line) => line.trim().split(/\s+/).join(' '));
      expect(maps).to.deep.equal([`0 ${user.uid} 1`]);
      expect(answer.exitCode).to.equal(7);
      // Another user than root has no id there.
      expect(answer['alice']).to.match(/ERR_|VainaError|not mapped|map/);
      expect(await ask(user, 'exec')).to.deep.include({ exitCode: 137, left: [] });
    });
  });

  it('is told by one typed error that the host allows no user namespaces', async () => {
    // A user namespace with the ids of an ordinary user, below which there can be no other one.
    const scratch = makeDirectory();
    const rootfs = makeBusyboxRoot(scratch);
    const script =
      'echo 0 >/proc/sys/user/max_user_namespaces && exec setpriv --inh-caps=-all --ambient-caps=-all "$@"';
    const task = { archive, rootfs, root: `${scratch}/root`, runroot: `${scratch}/run` };
    const ended = await runProgram('unshare', [
      ...['--user', '--map-user=1000', '--map-group=1000', '--keep-caps', 'sh', '-c', script, 'sh'],
      ...[process.execPath, ...nodeArguments('test/support/children/rootless')],
      ...['rootfs', JSON.stringify(task)],
    ]);
    expect(ended.exitCode, ended.stderr).to.equal(0);
    const answer = JSON.parse(ended.stdout) as Answer;
    for (const what of ['run', 'imported'])
      expect(answer[what], what).to.match(/^ERR_HOST_UNSUPPORTED .*\((?!no hint)/);
    expect(answer).to.deep.include({ left: [], images: [] });
    expect(JSON.stringify(answer['doctor'])).to.match(/max_user_namespaces/);
    removeDirectory(scratch);
  });

  it('may have his store anywhere he may write', async () => {
    const user = createUser('vainauser2');
    try {
      const base = `${user.home}/elsewhere`;
      mkdirSync(base);
      rmSync(base, { recursive: true });
      const place = { root: `${base}/root`, runroot: `${base}/run` };
      await ask(user, 'import', { archive, ...place });
      expect((await ask(user, 'run', place)).exitCode).to.equal(7);
    } finally {
      removeUser(user.name);
    }
  });
});
