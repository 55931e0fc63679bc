import { expect } from 'chai';
import fc from 'fast-check';
import { VainaError } from '../../../lib/errors.js';
import { MAX_JSON_DEPTH, parseStrictJson } from '../../../lib/util/strict-json.js';

const parse = (text: string | Buffer): unknown =>
  parseStrictJson(Buffer.from(text), 'it', 'ERR_INVALID_IMAGE');

describe('util strict JSON', () => {
  it('reads what JSON.parse reads, when each member is there once', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = JSON.stringify(value);
        expect(parse(text)).to.deep.equal(JSON.parse(text));
      }),
    );
    expect(parse(' {"a":[{"a":1},{"a":2}],"b":{"a":"\\"a\\":{,}"}} ')).to.have.keys('a', 'b');
  });

  it('refuses a member that is there twice, however it is spelt', () => {
    for (const text of [
      '{"a":1,"a":1}',
      '{"a":1,"\\u0061":1}',
      '[{"x":{"b":1,"c":[{}],"b":2}}]',
      '{"":1,"":2}',
      '{"a\\"":1,"a\\u0022":2}',
      '{"__proto__":1,"__proto__":2}',
    ]) {
      expect(() => parse(text), text).to.throw(VainaError, /twice/);
    }
  });

  it('refuses other encodings, and nesting without end', () => {
    for (const bytes of [
      Buffer.from([0x22, 0xff, 0x22]),
      Buffer.from('\ufeff{}'),
      Buffer.from('{}', 'utf16le'),
      Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]),
    ]) {
      expect(() => parse(bytes)).to.throw(VainaError, /not valid JSON/);
    }
    const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);
    expect(parse(nested(MAX_JSON_DEPTH))).to.be.an('array');
    expect(() => parse(nested(MAX_JSON_DEPTH + 1))).to.throw(VainaError, /nested/);
  });

  it('takes linear time', () => {
    const begun = performance.now();
    const members = Array.from({ length: 100_000 }, (_, i) => `"k${i}":${i}`).join(',');
    expect(parse(`{${members}}`)).to.have.property('k99999');
    expect(parse(`"${'\\"'.repeat(1 << 20)}"`)).to.have.length(1 << 20);
    expect(() => parse('{"a":'.repeat(1 << 20))).to.throw(VainaError);
    expect(performance.now() - begun).to.be.below(1500);
  });
});
