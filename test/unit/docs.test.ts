import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { ERROR_CODES } from '../../lib/errors.js';
import { ALLOWED, STATUSES } from '../../lib/lifecycle/state.js';
import { STEPS } from '../../lib/spec/steps.js';

const read = (path: string): string => readFileSync(join(__dirname, '../..', path), 'utf8');
const docs = (name: string): string => read(`docs/${name}`);

describe('the documents', () => {
  it('list every error code with its sentence', () => {
    const rows = [...docs('errors.md').matchAll(/^\| `(ERR_\w+)` \| (.*) \|$/gm)].map(([, code, text]) => [
      code,
      text,
    ]);
    expect(Object.fromEntries(rows)).to.deep.equal({ ...ERROR_CODES });
  });

  it('show the table of states and verbs as it is', () => {
    const verbs = Object.entries(ALLOWED);
    const table = [
      `| state | meaning | ${verbs.map(([verb]) => verb).join(' | ')} |`,
      `| --- | --- | ${verbs.map(() => '---').join(' | ')} |`,
      ...Object.entries(STATUSES).map(
        ([status, meaning]) =>
          `| ${status} | ${meaning} | ${verbs.map(([, allowed]) => ((allowed as readonly string[]).includes(status) ? 'yes' : 'no')).join(' | ')} |`,
      ),
    ].join('\n');
    const shown = /<!-- states:begin -->\n(.*)\n<!-- states:end -->/s.exec(docs('lifecycle.md'))?.[1];
    expect(shown).to.equal(table);
  });

  it('explain every step of a plan', () => {
    const text = docs('plan.md');
    for (const name of Object.keys(STEPS)) expect(text, name).to.include(`\`${name}\``);
  });

  it('have anybody install what the tests have where they all run', () => {
    const [, build, peers] = /^apt-get install -y (.*) \\\n {2}(.*) && npm ci/m.exec(read('README.md')) ?? [];
    const ci = read('.ci/run');
    expect(build).to.equal(/^BUILD=\((.*)\)$/m.exec(ci)?.[1]);
    expect(peers).to.equal(/^PEERS=\((.*)\)$/m.exec(ci)?.[1]);
  });
});
