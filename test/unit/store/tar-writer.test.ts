import { execFileSync } from 'node:child_process';
import { expect } from 'chai';
import fc from 'fast-check';
import { VainaError } from '../../../lib/errors.js';
import type { Entry, EntryType } from '../../../lib/store/tar/entry.js';
import { TarReader } from '../../../lib/store/tar/reader.js';
import { type TarMember, TarWriter } from '../../../lib/store/tar/writer.js';

interface Written {
  member: TarMember;
  content: Buffer;
}

function write(entries: readonly Written[]): Buffer {
  const writer = new TarWriter();
  for (const { member, content } of entries) {
    writer.entry(member);
    if (content.length > 0) writer.data(content);
  }
  writer.end();
  return writer.take();
}

function read(archive: Buffer): Written[] {
  const found: { member: TarMember; chunks: Buffer[] }[] = [];
  const reader = new TarReader({
    entry: ({ atime, ...member }: Entry) => {
      expect(atime).to.deep.equal(member.mtime);
      found.push({ member, chunks: [] });
    },
    data: (bytes) => void found.at(-1)?.chunks.push(Buffer.from(bytes)),
    end: () => undefined,
  });
  reader.write(archive);
  reader.end();
  return found.map(({ member, chunks }) => ({ member, content: Buffer.concat(chunks) }));
}

const member = (overrides: Partial<TarMember> & { name?: string | Buffer }): TarMember => {
  const { name = 'x', ...rest } = overrides;
  return {
    ...{ type: 'file', path: Buffer.from(name), target: Buffer.alloc(0), mode: 0o644, uid: 0, gid: 0 },
    ...{ mtime: { seconds: 0, nanoseconds: 0 }, size: 0, major: 0, minor: 0, xattrs: [] },
    ...rest,
  };
};

/** Bytes that a name may have. */
const part = fc
  .oneof(
    fc.uint8Array({ minLength: 1, maxLength: 20 }),
    fc.string({ minLength: 1, maxLength: 255, unit: fc.constantFrom('a', 'b', ' ', '\n', '-', '=') }),
  )
  .map((value) => Buffer.from(value).map((byte) => (byte === 0 || byte === 0x2f ? 0x61 : byte)))
  .map((bytes) => Buffer.from(bytes))
  .filter((bytes) => !/^\.{1,2}$/.test(bytes.toString('latin1')));
const path = fc
  .array(part, { minLength: 1, maxLength: 14 })
  .map((parts) => Buffer.from(parts.map((bytes) => bytes.toString('latin1')).join('/'), 'latin1'));
const id = fc.oneof(fc.nat(70_000), fc.constantFrom(8 ** 7 - 1, 8 ** 7, 0xffff_fffe));
const time = fc.record({
  seconds: fc.oneof(fc.integer(), fc.constantFrom(0, -1, 8 ** 11 - 1, 8 ** 11, -(10 ** 12))),
  nanoseconds: fc.oneof(fc.constant(0), fc.nat(999_999_999), fc.constantFrom(1, 500_000_000, 999_999_999)),
});
const xattrs = fc
  .uniqueArray(
    fc.record({
      name: fc
        .constantFrom('user.a', 'user.b c', 'security.capability', 'user.é\n')
        .map((name) => Buffer.from(name)),
      value: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    }),
    { selector: ({ name }) => name.toString(), maxLength: 4 },
  )
  .map((list) => list.sort((a, b) => a.name.compare(b.name)));
const types: EntryType[] = [
  'file',
  'hard-link',
  'symlink',
  'char-device',
  'block-device',
  'directory',
  'fifo',
];
const entry = fc
  .record({
    ...{ type: fc.constantFrom(...types), path, target: path, mode: fc.nat(0o7777), uid: id, gid: id },
    ...{ mtime: time, xattrs, major: fc.nat(4095), minor: fc.nat(1_048_575) },
    content: fc.uint8Array({ maxLength: 1500 }).map((bytes) => Buffer.from(bytes)),
  })
  .map(({ content, ...given }): Written => {
    const isLink = given.type === 'hard-link' || given.type === 'symlink';
    const isDevice = given.type.endsWith('-device');
    const isFile = given.type === 'file';
    return {
      member: {
        ...given,
        target: isLink ? given.target : Buffer.alloc(0),
        size: isFile ? content.length : 0,
        ...(isDevice ? {} : { major: 0, minor: 0 }),
      },
      content: isFile ? content : Buffer.alloc(0),
    };
  });

describe('store/tar/writer', () => {
  it('writes what the reader reads: everything, byte by byte', () => {
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 4 }), (entries) => {
        const archive = write(entries);
        expect(archive.length % 512).to.equal(0);
        expect(write(entries).equals(archive)).to.equal(true);
        expect(read(archive)).to.deep.equal(entries);
      }),
      { numRuns: 200 },
    );
  });

  it('writes what GNU tar lists and extracts the same', () => {
    fc.assert(
      fc.property(fc.array(entry, { minLength: 1, maxLength: 4 }), (entries) => {
        const theirs = execFileSync(
          'tar',
          ['-tPf', '-', '--quoting-style=escape', '--show-transformed-names'],
          { input: write(entries), env: { ...process.env, LC_ALL: 'C' } },
        );
        const names = theirs.toString('latin1').split('\n').slice(0, -1).map(unescape);
        expect(names).to.deep.equal(
          entries.map(
            ({ member: { path: name, type } }) => name.toString('latin1') + (type === 'directory' ? '/' : ''),
          ),
        );
      }),
      { numRuns: 40 },
    );
    const content = Buffer.alloc(5000, 'text');
    const archive = write([{ member: member({ name: 'n'.repeat(200), size: 5000 }), content }]);
    expect(execFileSync('tar', ['-xOf', '-'], { input: archive }).equals(content)).to.equal(true);
  });

  it('needs an extended header for nothing that ustar can say', () => {
    const size = (overrides: Parameters<typeof member>[0]): number =>
      write([{ member: member(overrides), content: Buffer.alloc(0) }]).length / 512 - 2;
    expect(size({ name: 'a'.repeat(100) })).to.equal(1);
    expect(size({ name: `${'d'.repeat(155)}/${'a'.repeat(100)}` })).to.equal(1);
    expect(size({ name: 'd'.repeat(99), type: 'directory' })).to.equal(1);
    expect(size({ uid: 8 ** 7 - 1, mtime: { seconds: 8 ** 11 - 1, nanoseconds: 0 } })).to.equal(1);
    expect(size({ name: 'a'.repeat(101) })).to.equal(3);
    expect(size({ name: `${'d'.repeat(156)}/${'a'.repeat(99)}` })).to.equal(3);
    expect(size({ name: 'd'.repeat(100), type: 'directory' })).to.equal(3);
    expect(size({ name: 'é' })).to.equal(3);
    expect(size({ mtime: { seconds: 1, nanoseconds: 1 } })).to.equal(3);
    // Nothing of the host.
    const archive = write([{ member: member({}), content: Buffer.alloc(0) }]);
    expect(
      archive.subarray(265, 329).every((byte) => byte === 0),
      'names of users',
    ).to.equal(true);
  });

  it('tells sizes beyond 8 GiB', () => {
    const writer = new TarWriter();
    const size = 8 ** 11 + 1;
    writer.entry(member({ size }));
    let told = 0;
    const reader = new TarReader({
      entry: (found) => (told = found.size),
      data: () => undefined,
      end: () => undefined,
    });
    reader.write(writer.take());
    expect(told).to.equal(size);
  });

  it('refuses what an archive cannot say, and content that is not as it was said', () => {
    const xattr = { name: Buffer.from('user.a=b'), value: Buffer.alloc(0) };
    const failure = (work: () => void): unknown => {
      try {
        work();
      } catch (error) {
        return VainaError.is(error) ? error.code : error;
      }
      return undefined;
    };
    expect(failure(() => new TarWriter().entry(member({ xattrs: [xattr] })))).to.equal('ERR_UNSUPPORTED');
    const large = { name: Buffer.from('user.a'), value: Buffer.alloc(1 << 20) };
    expect(failure(() => new TarWriter().entry(member({ xattrs: [large] })))).to.equal('ERR_UNSUPPORTED');
    const writer = new TarWriter();
    writer.entry(member({ size: 3 }));
    expect(failure(() => writer.end())).to.equal('ERR_INTERNAL');
    expect(failure(() => writer.data(Buffer.alloc(4)))).to.equal('ERR_INTERNAL');
    expect(writer.zeros(3)).to.equal(3);
    writer.end();
    expect(writer.take().length).to.equal(2048);
  });
});

/** What GNU tar escapes, as latin1. */
function unescape(text: string): string {
  const letters: Readonly<Record<string, string>> = {
    ...{ n: '\n', t: '\t', r: '\r', a: '\x07', b: '\b', f: '\f', v: '\v' },
  };
  return text.replace(/\\([0-7]{3}|.)/g, (_all, what: string) =>
    /^[0-7]{3}$/.test(what) ? String.fromCharCode(parseInt(what, 8)) : (letters[what] ?? what),
  );
}
