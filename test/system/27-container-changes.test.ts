import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { type Answer, packAll, type Task } from '../support/children/pack.js';
import { checkLeftovers } from '../support/leftovers.js';
import { makeBusyboxRoot, makeDirectory, packRoot, removeDirectory } from '../support/programs.js';
import { requires } from '../support/requires.js';
import { tar } from '../support/tar-builder.js';
import { createUser, removeUser, runAsUser, type TestUser } from '../support/users.js';

describe('changes of a container', function () {
  this.timeout(60_000);
  requires('root', 'busybox', 'useradd', 'newuidmap', 'setpriv');
  checkLeftovers();
  let directory: string;
  let user: TestUser;
  let archives: Pick<Task, 'layer' | 'base'>;
  before(() => {
    directory = makeDirectory();
    chmodSync(directory, 0o755);
    user = createUser('vaina-pack');
    const layer = join(directory, 'layer.tar');
    writeFileSync(
      layer,
      tar(
        { name: 'd/', type: '5' },
        { name: 'd/.wh..wh..opq' },
        { name: 'd/x', uid: 1000, gid: 50 },
        { name: 'd/.wh.y' },
      ),
    );
    archives = { layer, base: packRoot(makeBusyboxRoot(directory)) };
  });
  after(() => {
    removeUser(user.name);
    removeDirectory(directory);
  });

  const answers: Answer[] = [];
  const check = (answer: Answer): void => {
    expect(answer.difference).to.equal(undefined);
    expect(answer.packed[0]).to.have.property('entries', 4);
    expect(answer.packed[1]).to.deep.equal(answer.packed[0]);
    expect(answer.idle, 'nothing was changed').to.equal(undefined);
    const listed = execFileSync('tar', ['-tvzf', answer.blob ?? '', '--numeric-owner'], {
      encoding: 'utf8',
      env: { ...process.env, TZ: 'UTC' },
    });
    const lines = listed
      .split('\n')
      .slice(0, -1)
      .map((line) => line.split(/\s+/));
    expect(lines.map((words) => words.at(-1))).to.deep.equal([
      'deep/',
      'deep/er/',
      'deep/er/too/',
      'etc/',
      'etc/.wh.group',
      'home/',
      'home/.wh..wh..opq',
      'home/file',
    ]);
    expect(lines.at(-1)?.slice(0, 5)).to.deep.equal(['-rw-r--r--', '1000/50', '4', '1970-01-01', '00:00']);
    answers.push(answer);
  };

  it('are none when it changes nothing, as root', async () => {
    check(await packAll({ ...archives, root: join(directory, 'root'), runroot: join(directory, 'run') }));
  });

  it('are the same as an ordinary user, owners as the container sees them', async () => {
    const home = join(directory, 'user');
    mkdirSync(home);
    chownSync(home, user.uid, user.gid);
    const task: Task = { ...archives, root: join(home, 'root'), runroot: join(home, 'run') };
    const ended = await runAsUser(user, 'test/support/children/pack', [JSON.stringify(task)]);
    expect(ended.exitCode, ended.stderr).to.equal(0);
    check(JSON.parse(ended.stdout) as Answer);
    expect(answers[1]?.packed).to.deep.equal(answers[0]?.packed);
  });
});
