import { expect } from 'chai';
import fc from 'fast-check';
import { type ErrorCode, VainaError } from '../../../lib/errors.js';
import { resolveGroup, resolveUser } from '../../../lib/spec/user.js';
import { GROUP, PASSWD } from './fixtures.js';
import { thrown } from './thrown.js';

describe('resolveUser', () => {
  // user string → uid, gid, groups, home: as podman 4.3 answers, but for what is refused
  const found: [string | undefined, number, number, number[], string][] = [
    [undefined, 0, 0, [10], '/root'],
    ['', 0, 0, [10], '/root'],
    ['root', 0, 0, [10], '/root'],
    ['0', 0, 0, [10], '/root'],
    ['alice', 1000, 1000, [50, 10, 70000], '/home/alice'],
    ['1000', 1000, 1000, [50, 10, 70000], '/home/alice'],
    ['alice:staff', 1000, 50, [], '/home/alice'],
    ['alice:50', 1000, 50, [], '/home/alice'],
    ['1000:50', 1000, 50, [], '/home/alice'],
    ['0:50', 0, 50, [], '/root'],
    ['5000', 5000, 0, [], '/'],
    ['5000:6000', 5000, 6000, [], '/'],
    ['toor', 0, 0, [], '/toor'],
    ['daemon', 1, 1, [], '/usr/sbin'],
    ['2147483647', 2147483647, 0, [], '/'],
    // An entry named by digits never answers for the id of these digits.
    ['1001', 1001, 0, [], '/'],
    ['00', 0, 0, [10], '/root'],
  ];
  for (const [text, uid, gid, groups, home] of found) {
    it(`${JSON.stringify(text)} is ${uid}:${gid}`, () => {
      expect(resolveUser(text, PASSWD, GROUP)).to.deep.equal({ uid, gid, groups, home });
    });
  }

  const refused: [string, ErrorCode][] = [
    ['4294967296', 'ERR_INVALID_OPTION'],
    ['4294967295', 'ERR_INVALID_OPTION'],
    ['2147483648', 'ERR_INVALID_OPTION'],
    ['99999999999999999999', 'ERR_INVALID_OPTION'],
    ['0:4294967296', 'ERR_INVALID_OPTION'],
    ['1:', 'ERR_INVALID_OPTION'],
    [':1', 'ERR_INVALID_OPTION'],
    [':', 'ERR_INVALID_OPTION'],
    ['a:b:c', 'ERR_INVALID_OPTION'],
    ['alice\n', 'ERR_INVALID_OPTION'],
    ['al\0ice', 'ERR_INVALID_OPTION'],
    ['-1', 'ERR_NO_SUCH_USER'],
    ['+0', 'ERR_NO_SUCH_USER'],
    ['0x0', 'ERR_NO_SUCH_USER'],
    ['1e3', 'ERR_NO_SUCH_USER'],
    ['٠', 'ERR_NO_SUCH_USER'],
    [' 0', 'ERR_NO_SUCH_USER'],
    ['nobody', 'ERR_NO_SUCH_USER'],
    ['alice:nobodies', 'ERR_NO_SUCH_USER'],
    ['alice:-1', 'ERR_NO_SUCH_USER'],
  ];
  for (const [text, code] of refused) {
    it(`${JSON.stringify(text)} is refused`, () => {
      thrown(code, () => resolveUser(text, PASSWD, GROUP));
    });
  }

  it('needs no files for ids', () => {
    expect(resolveUser('7:8')).to.deep.equal({ uid: 7, gid: 8, groups: [], home: '/' });
    thrown('ERR_NO_SUCH_USER', () => resolveUser('alice'));
    expect(resolveGroup('9')).to.equal(9);
  });

  it('skips malformed lines', () => {
    const passwd =
      'eve:x:-1:0::/:\neve:x:4294967296:0::/:\neve:x::0::/:\n#eve:x:0:0::/:\neve:x:7:7::relative:\n';
    expect(resolveUser('eve', passwd)).to.deep.equal({ uid: 7, gid: 7, groups: [], home: '/' });
  });

  it('is never uid 0 by accident', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[-+0-9a-fx.e:]{1,14}$/)), (text) => {
        try {
          const { uid } = resolveUser(text, PASSWD, GROUP);
          if (uid === 0) expect(text).to.match(/^(|(0{1,10}|root|toor)(:[^:]+)?)$/);
        } catch (error) {
          if (!VainaError.is(error)) throw error;
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('reads ten million characters at once', () => {
    const line = `big:x:1:${'m,'.repeat(500_000)}alice\n`;
    const before = Date.now();
    expect(resolveUser('alice', PASSWD, line).groups).to.deep.equal([1]);
    expect(Date.now() - before).to.be.below(1000);
  });
});
