// `npm test`: the specs of .mocharc.json, each in a process of its own, and all at once. The last one, the system tests,
// shows its output as it comes; that of the others, which leave the host alone, follows. Then a line with the sums.
//
//   npm test -- --grep WORDS    hands its arguments on to mocha
//   TEST_RESULTS                directory for the sums of each part as JSON
'use strict';
const { spawn } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const REPO = path.resolve(__dirname, '../..');
const { spec, require: modules, extension, timeout } = require('../../.mocharc.json');
const results = process.env.TEST_RESULTS ?? fs.mkdtempSync(path.join(os.tmpdir(), 'vaina-test-results-'));

/** Runs one spec; gives the file of its sums. What it says is inherited or, to be shown later, given back. */
function run(pattern, shown) {
  const file = path.join(results, `${pattern.split('/')[1]}.json`);
  const reporter = ['--reporter', path.join(__dirname, 'reporter.cjs'), '--reporter-option', `file=${file}`];
  const settings = ['--extension', String(extension), '--timeout', String(timeout)];
  const colour = process.stdout.isTTY ? ['--color'] : [];
  const mocha = path.join(path.dirname(require.resolve('mocha/package.json')), 'bin/mocha.js');
  const node = ['-r', path.join(__dirname, 'thread-hook.cjs')];
  const loaded = modules.flatMap((name) => ['--require', name]);
  const own = process.argv.slice(2);
  const child = spawn(
    process.execPath,
    [...node, mocha, '--no-config', ...settings, ...loaded, ...reporter, ...colour, ...own, pattern],
    { cwd: REPO, stdio: ['ignore', ...(shown ? ['inherit', 'inherit'] : ['pipe', 'pipe'])] },
  );
  const said = [];
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => said.push(chunk));
  return new Promise((done) => {
    child.on('close', (code) => done({ code, file, said: Buffer.concat(said) }));
  });
}

async function main() {
  const parts = await Promise.all(spec.map((pattern, i) => run(pattern, i === spec.length - 1)));
  const sums = { passes: 0, failures: 0, pending: 0 };
  let whole = true;
  for (const { code, file, said } of parts) {
    process.stdout.write(said);
    try {
      for (const [what, count] of Object.entries(JSON.parse(fs.readFileSync(file, 'utf8'))))
        sums[what] += count;
    } catch {
      console.log(`${path.basename(file, '.json')} tests: mocha ended early, with ${code}`);
      whole = false;
    }
    whole &&= code === 0;
  }
  if (process.env.TEST_RESULTS === undefined) fs.rmSync(results, { recursive: true });
  console.log(`${sums.passes} passed, ${sums.failures} failed, ${sums.pending} skipped`);
  process.exitCode = whole ? 0 : 1;
}

void main();
