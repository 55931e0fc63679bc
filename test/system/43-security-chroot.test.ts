import { execFile } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { makeBusyboxRoot, makeDirectory, packRoot, REPO } from '../support/programs.js';
import { requires } from '../support/requires.js';

const run = promisify(execFile);

/** There the root of a container's mount namespace is not the container's root: an exec must not come out at the former. */
describe('security: an engine in a chroot', function () {
  this.timeout(60_000);
  requires('root');
  let directory: string;

  before(() => {
    directory = makeDirectory();
    mkdirSync(join(directory, 'host'));
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  it('joins its containers all the same', async () => {
    const script = `
      const { Engine } = require('vaina');
      (async () => {
        const engine = await Engine.open({ root: '${directory}/root', runroot: '${directory}/run' });
        await engine.images.import('${packRoot(makeBusyboxRoot(directory))}', { reference: 'box', changes: ['ENV PATH=/bin'] });
        const box = await engine.containers.run('box', { command: ['sleep', '1000'] });
        const { stdout } = await box.exec(['sh', '-c', 'cat /proc/1/comm; readlink /proc/self/root; ls /']);
        console.log(stdout);
        await box.remove({ force: true, timeout: 0 });
        await engine.close();
      })();`;
    const { stdout } = await run(
      'unshare',
      [
        '-m',
        'sh',
        '-c',
        'mount --rbind / "$1" && exec chroot "$1" sh -c "cd $2 && exec node -r ./test/support/hook.cjs -e \\"\\$SCRIPT\\""',
        'sh',
        join(directory, 'host'),
        REPO,
      ],
      { env: { ...process.env, SCRIPT: script } },
    );
    expect(stdout).to.equal('sleep\n/\nbin\ndev\netc\nhome\nproc\nroot\nrun\nsys\ntmp\nvar\n\n');
  });
});
