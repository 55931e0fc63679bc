import { execFileSync } from 'node:child_process';
import { expect } from 'chai';
import fc from 'fast-check';
import { posix } from 'node:path';
import { VainaError } from '../../../lib/errors.js';
import { cleanPath, type Entry } from '../../../lib/store/tar/entry.js';
import { TarReader } from '../../../lib/store/tar/reader.js';
import { layerCorpus } from '../../support/layer-corpus.js';
import { base256, header, pax, tar, type TarEntry } from '../../support/tar-builder.js';

/** What a reader told, content put together by offset. */
function read(
  archive: Buffer,
  cut: (size: number) => number = () => archive.length,
): { entries: string[]; error?: string } {
  const entries: string[] = [];
  let current: Entry | undefined;
  let content: [number, string][] = [];
  const flush = (): void => {
    if (!current) return;
    const { path, target, xattrs, ...rest } = current;
    const merged: [number, string][] = [];
    for (const [offset, text] of content) {
      const last = merged.at(-1);
      if (last && last[0] + last[1].length === offset) last[1] += text;
      else merged.push([offset, text]);
    }
    const names = xattrs.map(({ name, value }) => `${name.toString('latin1')}=${value.toString('latin1')}`);
    entries.push(JSON.stringify([path.toString('latin1'), target.toString('latin1'), rest, names, merged]));
    current = undefined;
  };
  const reader = new TarReader({
    entry(entry) {
      flush();
      current = entry;
      content = [];
      if (entry.type !== 'file') flush();
    },
    data: (bytes, offset) => content.push([offset, bytes.toString('latin1')]),
    end: flush,
  });
  try {
    for (let at = 0; at < archive.length;) {
      const size = Math.max(1, cut(archive.length - at));
      reader.write(archive.subarray(at, at + size));
      at += size;
    }
    reader.end();
    return { entries };
  } catch (error) {
    if (!VainaError.is(error)) throw error;
    expect(error.code).to.equal('ERR_INVALID_LAYER');
    return { entries, error: error.message };
  }
}

const small = (): { name: string; bytes: Buffer }[] =>
  layerCorpus({ outside: '/outside', inside: 'inside' })
    .filter(({ name }) => !/bomb|100,000|20,000|many small|replaced again/.test(name))
    .map(({ name, archive }) => ({ name, bytes: archive() }))
    .filter(({ bytes }) => bytes.length < 400_000);

describe('store/tar', () => {
  it('reads the same however the bytes are cut', function () {
    this.timeout(20_000);
    for (const { name, bytes } of small()) {
      const whole = read(bytes);
      for (const size of [1, 511, 513]) {
        if (size === 1 && bytes.length > 20_000) continue;
        expect(
          read(bytes, () => size),
          `${name}, ${size} at a time`,
        ).to.deep.equal(whole);
      }
    }
  });

  it('never fails but with ERR_INVALID_LAYER, whatever is changed', () => {
    const archives = small().filter(({ bytes }) => bytes.length > 0 && bytes.length < 20_000);
    fc.assert(
      fc.property(
        fc.nat(archives.length - 1),
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 8 }),
        fc.nat(),
        fc.boolean(),
        (which, changes, cutAt, mend) => {
          const bytes = Buffer.from(archives[which]?.bytes ?? Buffer.alloc(0));
          for (const [at, value] of changes) bytes[at % Math.min(bytes.length, 1536)] = value;
          // A right checksum leads deeper.
          if (mend && bytes.length >= 512) mendChecksum(bytes);
          read(cutAt % 3 === 0 ? bytes.subarray(0, cutAt % bytes.length) : bytes);
        },
      ),
      { numRuns: 3000 },
    );
  });

  it('finds the same names as GNU tar', function () {
    this.timeout(60_000);
    let compared = 0;
    const name = fc.string({
      minLength: 1,
      maxLength: 150,
      unit: fc.constantFrom('a', 'b', '/', '.', 'é', ' ', '-'),
    });
    const part = fc.record({
      name,
      content: fc.string({ maxLength: 1200 }),
      type: fc.constantFrom('0', '5', '2'),
      format: fc.constantFrom('ustar' as const, 'gnu' as const),
      mtime: fc.nat(2 ** 31),
    });
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 5 }), (parts) => {
        const archive = tar(
          ...parts.map((entry): TarEntry => ({
            ...entry,
            name: Buffer.from(entry.name),
            ...(entry.type === '0' ? {} : { content: '', link: 'target' }),
          })),
        );
        const listed = execFileSync(
          'tar',
          ['-tPf', '-', '--quoting-style=literal', '--show-transformed-names'],
          { input: archive },
        );
        const theirs = listed.toString('latin1').split('\n').slice(0, -1);
        const ours = read(archive);
        if (ours.error !== undefined) return;
        compared++;
        const clean = (text: string): string => cleanPath(Buffer.from(text, 'latin1')).toString('latin1');
        expect(ours.entries.map((text) => (JSON.parse(text) as string[])[0])).to.deep.equal(
          theirs.map(clean),
        );
      }),
      { numRuns: 100 },
    );
    expect(compared).to.be.greaterThan(50);
  });

  it('cleans paths as the text of a path from the root', () => {
    const path = fc.string({ maxLength: 60, unit: fc.constantFrom('a', 'bc', '/', '.', '..', '//') });
    fc.assert(
      fc.property(path, (text) => {
        const clean = cleanPath(Buffer.from(text)).toString();
        expect(clean).to.equal(posix.normalize(`/${text}`).replace(/^\/+|\/+$/g, ''));
        expect(cleanPath(Buffer.from(clean)).toString()).to.equal(clean);
      }),
    );
  });

  it('takes whiteouts of names that are as long as a name may be', () => {
    const failure = (name: string): string | undefined => read(tar({ name })).error;
    expect(failure('a'.repeat(255))).to.equal(undefined);
    expect(failure('a'.repeat(256))).to.match(/longer than 255 bytes/);
    expect(failure(`d/.wh.${'a'.repeat(255)}`)).to.equal(undefined);
    expect(failure(`d/.wh.${'a'.repeat(256)}/x`)).to.match(/longer than 259 bytes/);
  });

  it('reads numbers in all their ways', () => {
    const sizes = (entry: TarEntry): unknown => {
      const { entries, error } = read(tar(entry));
      return error ?? (JSON.parse(entries[0] ?? '[]') as { uid: number }[])[2]?.uid;
    };
    const uid = (bytes: Buffer): unknown => sizes({ name: 'f', raw: [[108, bytes]] });
    expect(uid(Buffer.from('0001750\0'))).to.equal(1000);
    expect(uid(Buffer.from('   1750 '))).to.equal(1000);
    expect(uid(Buffer.from('1750\0\0\0\0'))).to.equal(1000);
    expect(uid(Buffer.from('\0\0\0\0\0\0\0\0'))).to.equal(0);
    expect(uid(base256(4_294_967_294n, 8))).to.equal(4_294_967_294);
    expect(uid(Buffer.from('0008\0\0\0\0'))).to.match(/not a number/);
    expect(uid(base256(-1n, 8))).to.match(/negative/);
  });

  it('reads times to the nanosecond, before the epoch as well', () => {
    const time = (mtime: string): unknown => {
      const { entries, error } = read(tar({ name: 'f', pax: { mtime } }));
      return error ?? (JSON.parse(entries[0] ?? '[]') as { mtime: unknown }[])[2]?.mtime;
    };
    expect(time('1.5')).to.deep.equal({ seconds: 1, nanoseconds: 500_000_000 });
    expect(time('1.0000000019')).to.deep.equal({ seconds: 1, nanoseconds: 1 });
    expect(time('-0.25')).to.deep.equal({ seconds: -1, nanoseconds: 750_000_000 });
    expect(time('-3')).to.deep.equal({ seconds: -3, nanoseconds: 0 });
    expect(time('1e3')).to.match(/not a time/);
  });

  it('holds no more of an archive than the entry at hand', () => {
    let files = 0;
    const reader = new TarReader({ entry: () => undefined, data: () => undefined, end: () => files++ });
    const chunk = Buffer.concat([pax({ path: 'x'.repeat(200) }), header({ name: 'f', size: 0 })]);
    const many = Buffer.concat(Array.from({ length: 100 }, () => chunk));
    const before = process.memoryUsage().arrayBuffers;
    for (let i = 0; i < 500; i++) reader.write(many);
    expect(files).to.equal(50_000);
    expect(process.memoryUsage().arrayBuffers - before).to.be.lessThan(64 << 20);
  });
});

function mendChecksum(bytes: Buffer): void {
  bytes.fill(0x20, 148, 156);
  let sum = 0;
  for (let i = 0; i < 512; i++) sum += bytes[i] ?? 0;
  bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
}
