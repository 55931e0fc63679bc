import { expect } from 'chai';
import { ago, humanDuration, humanSize, parseDuration, parseTime } from '../../../lib/cli/human.js';
import { DetachFilter, parseDetachKeys } from '../../../lib/cli/detach-keys.js';
import { readEnvironment } from '../../../lib/cli/environment.js';
import { formatRows, headingsOf, wantsJson } from '../../../lib/cli/format.js';
import { align, table } from '../../../lib/cli/table.js';
import { yaml } from '../../../lib/cli/yaml.js';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

describe('cli text', () => {
  it('says lengths of time as go-units does', () => {
    const second = 1000;
    const minute = 60 * second;
    const hour = 60 * minute;
    const day = 24 * hour;
    const cases: [number, string][] = [
      [-5, 'Less than a second'],
      [999, 'Less than a second'],
      [second, '1 second'],
      [59.9 * second, '59 seconds'],
      [minute, 'About a minute'],
      [119 * second, 'About a minute'],
      [59 * minute, '59 minutes'],
      [hour, 'About an hour'],
      [89 * minute, 'About an hour'],
      [90 * minute, '2 hours'],
      [47 * hour, '47 hours'],
      [2 * day, '2 days'],
      [14 * day, '2 weeks'],
      [59 * day, '8 weeks'],
      [60 * day, '2 months'],
      [729 * day, '24 months'],
      [730 * day, '2 years'],
    ];
    for (const [length, words] of cases) expect(humanDuration(length), String(length)).to.equal(words);
    expect(ago(new Date(0), new Date(5000))).to.equal('5 seconds ago');
  });

  it('says sizes with three digits', () => {
    const cases: [number, string][] = [
      [0, '0 B'],
      [999, '999 B'],
      [1000, '1 kB'],
      [1_997_907, '2 MB'],
      [117_340_000, '117 MB'],
      [1_234_567_890, '1.23 GB'],
    ];
    for (const [bytes, words] of cases) expect(humanSize(bytes)).to.equal(words);
  });

  it('reads durations and times', () => {
    expect(parseDuration('1h30m')).to.equal(5_400_000);
    expect(parseDuration('1.5s')).to.equal(1500);
    expect(parseDuration('-10m')).to.equal(-600_000);
    for (const wrong of ['', '5', 'h', '1x', '1h ']) expect(parseDuration(wrong), wrong).to.equal(undefined);
    const now = new Date('2026-01-01T00:10:00Z');
    expect(parseTime('10m', now)?.toISOString()).to.equal('2026-01-01T00:00:00.000Z');
    expect(parseTime('1767225600', now)?.toISOString()).to.equal('2026-01-01T00:00:00.000Z');
    expect(parseTime('2026-01-01T00:00:00.5Z', now)?.getTime()).to.equal(Date.UTC(2026, 0, 1) + 500);
    expect(parseTime('2026-01-01T02:00:00+02:00', now)?.getTime()).to.equal(Date.UTC(2026, 0, 1));
    expect(parseTime('2026-01-01', now)?.getTime()).to.equal(new Date(2026, 0, 1).getTime());
    expect(parseTime('2026-01-01T05', now)?.getTime()).to.equal(new Date(2026, 0, 1, 5).getTime());
    for (const wrong of ['foo', '2026-13-01', '2026-01-01T99:00', ''])
      expect(parseTime(wrong, now), wrong).to.equal(undefined);
  });

  it('aligns columns as text/tabwriter does', () => {
    expect(
      table([
        ['ID', 'LONG NAME OF IT', 'LAST'],
        ['1', 'x', 'a b c'],
      ]),
    ).to.equal('ID          LONG NAME OF IT  LAST\n1           x                a b c\n');
    expect(align('exactly ten\tb\néé\tb\n')).to.equal('exactly ten  b\néé           b\n');
    // A line without the cell ends the column.
    expect(align('a\tb\nplain\nlonger than twelve\tb\n')).to.equal(
      'a           b\nplain\nlonger than twelve  b\n',
    );
  });

  it('prints rows by a template', () => {
    const rows = [
      { ID: '1', RunningFor: 'x' },
      { ID: '2', RunningFor: 'y' },
    ];
    const headings = headingsOf(rows[0]!, { ID: 'CONTAINER ID' });
    expect(formatRows('ps', '{{.ID}}\\t{{.RunningFor}}', rows, headings)).to.equal('1\tx\n2\ty\n');
    expect(formatRows('ps', 'table {{ .ID }} {{.RunningFor}}', rows, headings)).to.equal(
      'CONTAINER ID  RUNNING FOR\n1             x\n2             y\n',
    );
    expect(formatRows('ps', 'table {{.ID}}', rows, headings, false)).to.equal('1\n2\n');
    expect(formatRows('ps', 'table {{.ID}}', [], headings)).to.equal('CONTAINER ID\n');
    expect(formatRows('ps', '{{range .}}{{.ID}},{{end}}', rows, headings)).to.equal('1,2,\n');
    expect(formatRows('ps', '{{join (split .ID "") "\\n"}}', rows, headings)).to.equal('1\n2\n');
    expect(() => formatRows('ps', '{{.X}}', rows, headings)).to.throw("can't evaluate field X");
    for (const form of ['json', '{{json .}}', '{{ json . }}']) expect(wantsJson(form)).to.equal(true);
    expect(wantsJson('{{json .ID}}')).to.equal(false);
  });

  it('writes YAML', () => {
    expect(
      yaml({
        b: 1,
        a: { d: 'x y', c: ['1', 'two'] },
        e: [],
        f: {},
        g: 'true',
        h: '',
        i: null,
        j: [{ k: 1, l: 2 }],
      }),
    ).to.equal(
      'a:\n  c:\n  - "1"\n  - two\n  d: x y\nb: 1\ne: []\nf: {}\ng: "true"\nh: ""\ni: null\nj:\n- k: 1\n  l: 2\n',
    );
  });

  it('finds the detach keys, also where they come in pieces', () => {
    const keys = parseDetachKeys('ctrl-p,ctrl-q');
    expect(keys).to.deep.equal([16, 17]);
    expect(parseDetachKeys('a,ctrl-@,ctrl-[')).to.deep.equal([97, 0, 27]);
    expect(parseDetachKeys('')).to.deep.equal([]);
    for (const wrong of ['ctrl-', 'ctrl-1', 'ab', 'a,,b'])
      expect(() => parseDetachKeys(wrong), wrong).to.throw('invalid detach keys');

    const feed = (filter: DetachFilter, text: string): [string, boolean] => {
      const { pass, detached } = filter.push(Buffer.from(text, 'latin1'));
      return [pass.toString('latin1'), detached];
    };
    const filter = new DetachFilter(keys);
    expect(feed(filter, 'abc')).to.deep.equal(['abc', false]);
    expect(feed(filter, 'a\x10')).to.deep.equal(['a', false]);
    expect(feed(filter, 'b')).to.deep.equal(['\x10b', false]);
    expect(feed(filter, '\x10\x10')).to.deep.equal(['\x10', false]);
    expect(feed(filter, '\x11 more')).to.deep.equal(['', true]);
    const other = new DetachFilter(keys);
    feed(other, '\x10');
    expect(other.end().toString('latin1')).to.equal('\x10');
    expect(feed(new DetachFilter([]), '\x10\x11')).to.deep.equal(['\x10\x11', false]);
    // Keys that overlap themselves.
    const twice = new DetachFilter([1, 1, 2]);
    expect(feed(twice, '\x01\x01\x01\x02')).to.deep.equal(['\x01', true]);
  });

  it('reads environment variables', () => {
    const directory = mkdtempSync(join(tmpdir(), 'vaina-unit-'));
    try {
      const file = join(directory, 'env');
      writeFileSync(file, '# comment\nA=1\n  B=2 three\n\nHOME\nNOSUCH\r\nC=from file\n');
      const host = { HOME: '/root', LC_ALL: 'C', LC_TIME: 'de', PATH: '/bin' };
      expect(readEnvironment(host, [file], ['C=x=y', 'LC_*', 'EMPTY=', 'ALSO_NOT'])).to.deep.equal({
        A: '1',
        B: '2 three',
        HOME: '/root',
        C: 'x=y',
        LC_ALL: 'C',
        LC_TIME: 'de',
        EMPTY: '',
      });
      expect(() => readEnvironment(host, [], ['=x'])).to.throw('invalid environment variable: "=x"');
      expect(() => readEnvironment(host, ['/nosuch'], [])).to.throw('parsing env file "/nosuch"');
      expect(Object.keys(readEnvironment(host, [], ['__proto__=x', 'constructor']))).to.deep.equal([
        '__proto__',
      ]);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
