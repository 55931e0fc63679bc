import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { REPO, makeBusyboxRoot, makeDirectory, packRoot } from '../support/programs.js';
import { requires } from '../support/requires.js';

const run = promisify(execFile);

/** What an example prints, as far as it can be foreseen. */
const EXPECTED: Record<string, RegExp> = {
  '01-run': /^hello from seed\n\n7 false\n$/,
  '02-exec': /^hello\n\d+\n\n0\n$/,
  '03-streams': /^two\nthree\none\n0\n$/,
  '04-limits': /^true 137\n\d+ MiB at most\n$/,
  '05-images': /localhost\/example:latest[^]*made by import/,
  '06-plan': /pivot-root[^]*exec\("true"\)[^]*total: \d/,
  '07-registry': /^\[ 'busybox' \]\n201 \[ 'latest', 'pushed' \]\nfrom a push\n\n$/,
  '08-push': /^true true\nsha256:[0-9a-f]{64}\n$/,
  quickstart: /exec {8}process 1 is sh\n[^]*exit code {3}3\n[^]*timings\/ms/,
};

describe('the examples', function () {
  this.timeout(60_000);
  requires('root');
  const files = readdirSync(join(REPO, 'examples')).filter((name) => name.endsWith('.ts'));
  const small = files.filter((file) => /^\d/.test(file));
  let directory: string;
  /** What each prints. None knows of the others, so they all run at once. */
  const printed = new Map<string, Promise<string>>();

  before(() => {
    directory = makeDirectory();
    const tar = packRoot(makeBusyboxRoot(directory));
    for (const name of small) printed.set(name, isolated(example(name, tar)));
    printed.set('quickstart.ts', isolated(`require('./examples/quickstart.ts')`));
    for (const each of printed.values()) each.catch(() => undefined);
  });
  after(async () => {
    await Promise.allSettled(printed.values());
    rmSync(directory, { recursive: true, force: true });
  });

  /** Runs a script with stores of its own in the places where the engine has them by default. */
  async function isolated(script: string): Promise<string> {
    const stores = '/var/lib/vaina /run/vaina';
    const prepare = `mkdir -p ${stores} && for d in ${stores}; do mount -t tmpfs none $d || exit; done`;
    const node = 'exec node -r ./test/support/hook.cjs -e "$1"';
    const { stdout } = await run('unshare', ['-m', 'sh', '-c', `${prepare} && ${node}`, 'sh', script], {
      cwd: REPO,
    });
    return stdout;
  }

  function example(name: string, tar: string): string {
    return `
      const { Engine } = require('vaina');
      (async () => {
        const engine = await Engine.open();
        await engine.images.import(${JSON.stringify(tar)}, { reference: 'busybox', changes: ['ENV PATH=/bin'] });
        await engine.close();
        const { main } = require(${JSON.stringify(join(REPO, 'examples', name))});
        await main(${name.startsWith('05') ? JSON.stringify(tar) : '"busybox"'});
      })();`;
  }

  it('are each foreseen here', () => {
    expect(files.map((name) => name.replace('.ts', '')).sort()).to.deep.equal(Object.keys(EXPECTED).sort());
  });

  for (const name of small) {
    it(`${name}: one idea in at most 40 lines, and it does what it says`, async () => {
      expect(readFileSync(join(REPO, 'examples', name), 'utf8').split('\n').length).to.be.at.most(41);
      expect(await printed.get(name)).to.match(EXPECTED[name.replace('.ts', '')] ?? /^$/);
    });
  }

  it('quickstart.ts: the whole path, without a network', async () => {
    expect(await printed.get('quickstart.ts')).to.match(EXPECTED['quickstart'] ?? /^$/);
  });
});
