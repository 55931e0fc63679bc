import { expect } from 'chai';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const DIRECTORY = join(__dirname, '../../../lib/spec');

/** What would let the same input have another output, or do something. */
const IMPURE =
  /from 'node:|require\(|(?<!\/)\bprocess\.(?!(user|args|env|cwd|capabilities|rlimits|noNewPrivileges|oomScoreAdj|terminal)\b)|process\.env[[.]|\bDate\b|Math\.random|performance\.|fetch\(|setTimeout|globalThis|^(export )?(let|var) /m;

describe('lib/spec', () => {
  for (const file of readdirSync(DIRECTORY)) {
    it(`${file} is pure`, () => {
      // The words of comments do nothing.
      const code = readFileSync(join(DIRECTORY, file), 'utf8').replace(/\/\*[^]*?\*\/|\/\/.*$/gm, '');
      expect(IMPURE.exec(code)?.[0]).to.equal(undefined);
    });
  }
});
