import { expect } from 'chai';
import fc from 'fast-check';
import { compile, GoTime, json, TemplateError } from '../../../lib/cli/template.js';

const DATA = {
  ID: 'abc',
  Names: ['one', 'two'],
  None: [],
  Nil: null,
  Count: 3,
  Half: 0.5,
  Yes: true,
  Labels: new Map([
    ['b', '2'],
    ['a', '1'],
  ]),
  State: { Status: 'running', Pid: 7 },
  Created: new GoTime('2026-01-02T03:04:05.120000000Z'),
  Label: (name: string) => `<${name}>`,
  Mounts: [{ Source: '/a' }, { Source: '/b' }],
};

const run = (template: string, data: unknown = DATA): string => compile('test', template).execute(data);

describe('cli template', () => {
  const cases: Record<string, [template: string, expected: string][]> = {
    fields: [
      ['{{.ID}}', 'abc'],
      ['{{ .State.Status }}-{{.State.Pid}}', 'running-7'],
      [
        '{{.Names}} {{.Labels}} {{.State}} {{.Nil}} {{.Yes}} {{.Half}}',
        '[one two] map[a:1 b:2] {running 7} <nil> true 0.5',
      ],
      ['{{.Created}}', '2026-01-02 03:04:05.12 +0000 UTC'],
      ['{{.Labels.a}} {{.Labels.nosuch}}', '1 <no value>'],
      ['{{.Label "x"}} {{"y" | .Label}}', '<x> <y>'],
      ['{{(index .Mounts 1).Source}}', '/b'],
      ['{{$.ID}}', 'abc'],
    ],
    'text and trimming': [
      ['no action', 'no action'],
      ['a {{- .ID -}} b', 'aabcb'],
      ['a{{/* a comment */}}b', 'ab'],
      ['a {{- /* a comment */ -}} b', 'ab'],
      ['{{"}}"}}{{`\\n`}}{{"\\n\\t\\"\\x41\\u00e9\\101"}}', '}}\\n\n\t"AéA'],
      ['}} is text', '}} is text'],
      ["{{'a'}} {{-3}} {{0x1F}} {{1e3}} {{1_000}}", '97 -3 31 1000 1000'],
    ],
    pipelines: [
      ['{{.ID | upper | printf "%s-%s" "x"}}', 'x-ABC'],
      ['{{join .Names ","}}', 'one,two'],
      ['{{(len .Names) | printf "%03d"}}', '002'],
      [
        '{{json .Names}} {{json .State}} {{json .Labels}} {{.Nil | json}}',
        '["one","two"] {"Status":"running","Pid":7} {"a":"1","b":"2"} null',
      ],
      ['{{index (split "a,b" ",") 1}}', 'b'],
      [
        '{{title "hello big world"}} {{lower "AB"}} {{truncate "hello" 3}} [{{pad "x" 1 2}}]',
        'Hello Big World ab hel [ x  ]',
      ],
      ['{{len "é"}} {{len .Labels}} {{slice "hello" 1 3}} {{slice .Names 1}}', '2 2 el [two]'],
      ['{{print 1 2 "a" 3}} {{println .ID 2}}', '1 2a3 abc 2\n'],
    ],
    control: [
      ['{{if .Yes}}y{{else}}n{{end}}{{if .Nil}}y{{else}}n{{end}}', 'yn'],
      ['{{if eq .Count 1}}1{{else if eq .Count 3}}3{{else}}?{{end}}', '3'],
      ['{{range .Names}}<{{.}}>{{end}}', '<one><two>'],
      ['{{range $i, $n := .Names}}{{$i}}={{$n}} {{end}}', '0=one 1=two '],
      ['{{range $k, $v := .Labels}}{{$k}}={{$v}};{{end}}', 'a=1;b=2;'],
      ['{{range .None}}x{{else}}none{{end}}{{range .Nil}}x{{else}}nil{{end}}', 'nonenil'],
      ['{{range .Names}}{{if eq . "two"}}{{break}}{{end}}{{.}}{{end}}', 'one'],
      ['{{range .Names}}{{if eq . "one"}}{{continue}}{{end}}{{.}}{{end}}', 'two'],
      ['{{with .State}}{{.Status}}{{$.ID}}{{end}}{{with .Nil}}x{{else}}-{{end}}', 'runningabc-'],
      ['{{$x := 1}}{{range .Names}}{{$x = len .}}{{end}}{{$x}}', '3'],
      ['{{range .Mounts}}{{.Source}}{{end}}', '/a/b'],
    ],
    comparison: [
      [
        '{{eq .ID "x" "abc"}} {{ne 1 2}} {{lt 1 2}} {{le 2 2}} {{gt 1 2}} {{ge "b" "a"}}',
        'true true true true false true',
      ],
      ['{{and .Yes .ID}} {{and .Nil .ID}} {{or .Nil .ID}} {{not .Nil}}', 'abc <nil> abc true'],
      ['{{or true (index .Names 99)}}', 'true'],
    ],
    printf: [
      [
        '{{printf "%5d|%-5d|%05d|%+d|%x|%X|%o|%b|%c" 42 42 42 42 42 42 8 5 65}}',
        '   42|42   |00042|+42|2a|2A|10|101|A',
      ],
      ['{{printf "%q %v %t %%" "a\\"b" .Names true}}', '"a\\"b" [one two] true %'],
      ['{{printf "%.2f %6.1f|%e %g" 3.14159 2.55 12345.678 0.5}}', '3.14    2.5|1.234568e+04 0.5'],
      ['{{printf "%5s|%-5s|%.2s|%*d" "ab" "ab" "abc" 4 7}}', '   ab|ab   |ab|   7'],
      ['{{printf "%d" "x"}} {{printf "%s"}} {{printf "a" 1}}', '%!d(string=x) %!s(MISSING) a%!(EXTRA int=1)'],
    ],
  };
  for (const [group, list] of Object.entries(cases)) {
    it(`does ${group}`, () => {
      for (const [template, expected] of list) expect(run(template), template).to.equal(expected);
    });
  }

  it('refuses what Go refuses, in Go’s words', () => {
    const cases: [template: string, message: string][] = [
      [
        '{{.foo}}',
        'template: test:1:2: executing "test" at <.foo>: can\'t evaluate field foo in type struct',
      ],
      [
        'a\nb{{.State.Nope}}',
        'template: test:2:3: executing "test" at <.State.Nope>: can\'t evaluate field Nope in type struct',
      ],
      [
        '{{.Nil.X}}',
        'template: test:1:2: executing "test" at <.Nil.X>: nil pointer evaluating interface {}.X',
      ],
      [
        '{{.ID.X}}',
        'template: test:1:2: executing "test" at <.ID.X>: can\'t evaluate field X in type string',
      ],
      [
        '{{.ID "x"}}',
        'template: test:1:2: executing "test" at <.ID>: ID has arguments but cannot be invoked as function',
      ],
      [
        '{{range .ID}}{{end}}',
        'template: test:1:8: executing "test" at <.ID>: range can\'t iterate over abc',
      ],
      [
        '{{index .Names 5}}',
        'template: test:1:2: executing "test" at <index>: error calling index: index out of range: 5',
      ],
      ['{{.ID}', "template: test:1: bad character U+007D '}'"],
      ['{{.ID', 'template: test:1: unclosed action'],
      ['{{if .ID}}', 'template: test:1: unexpected EOF'],
      ['{{end}}', 'template: test:1: unexpected {{end}}'],
      ['{{nosuch}}', 'template: test:1: function "nosuch" not defined'],
      ['{{$x}}', 'template: test:1: undefined variable "$x"'],
      ['{{if true}}{{$x := 1}}{{end}}{{$x}}', 'template: test:1: undefined variable "$x"'],
      ['{{}}', 'template: test:1: missing value for command'],
      ['{{.ID | }}', 'template: test:1: missing value after |'],
      ['{{"a}}', 'template: test:1: unterminated quoted string'],
      ['{{/* a }}', 'template: test:1: unclosed comment'],
      ['{{break}}', 'template: test:1: {{break}} outside {{range}}'],
      ['{{template "x"}}', 'template: test:1: {{template}} is not supported'],
      [
        '{{len}}',
        'template: test:1:2: executing "test" at <len>: wrong number of args for len: want 1 got 0',
      ],
      [
        '{{eq 1 "1"}}',
        'template: test:1:2: executing "test" at <eq>: error calling eq: incompatible types for comparison',
      ],
    ];
    for (const [template, message] of cases) {
      expect(() => run(template), template)
        .to.throw(TemplateError)
        .with.property('message', message);
    }
  });

  it('never reaches what is not data', () => {
    for (const name of ['constructor', '__proto__', 'toString', 'hasOwnProperty']) {
      expect(() => run(`{{.${name}}}`), name).to.throw(TemplateError, `can't evaluate field ${name}`);
      expect(() => run(`{{.State.${name}.${name}}}`), name).to.throw(TemplateError);
      expect(run(`{{.Labels.${name}}}`)).to.equal('<no value>');
    }
  });

  it('refuses to nest without end', () => {
    expect(() => run('('.repeat(100_000))).not.to.throw();
    expect(() => run(`{{${'('.repeat(100_000)}}}`)).to.throw(TemplateError, 'nested too deeply');
    expect(() => run('{{if 1}}'.repeat(100_000))).to.throw(TemplateError, 'nested too deeply');
  });

  it('fails with its own error, or not at all, whatever it is given', () => {
    const piece = fc.constantFrom(
      '{{',
      '}}',
      '{{-',
      '-}}',
      ' ',
      '.',
      '.ID',
      '$',
      '$x',
      ':=',
      '=',
      ',',
      '|',
      '(',
      ')',
      '"a"',
      '"',
      '`',
      "'",
      '/*',
      '*/',
      '\n',
      'if',
      'else',
      'end',
      'range',
      'with',
      'break',
      'eq',
      'index',
      'printf',
      '"%d%s%*v"',
      '1',
      '-',
      '0x',
      '1e999',
      'nil',
      'é',
      '\\',
    );
    const text = fc.oneof(
      fc.string(),
      fc.array(piece, { maxLength: 30 }).map((parts) => parts.join('')),
    );
    fc.assert(
      fc.property(text, (template) => {
        try {
          expect(run(template)).to.be.a('string');
        } catch (error) {
          expect(error, template).to.be.instanceOf(TemplateError);
        }
      }),
      { numRuns: 3000 },
    );
  });

  it('prints any text as it is', () => {
    fc.assert(
      fc.property(fc.string(), (value) => {
        expect(run('{{.}}', value)).to.equal(value);
        expect(run(`{{${json(value)}}}`)).to.equal(value);
      }),
    );
  });

  it('takes time in proportion to the template', () => {
    const time = (template: string): number => {
      const start = performance.now();
      try {
        run(template);
      } catch (error) {
        expect(error).to.be.instanceOf(TemplateError);
      }
      return performance.now() - start;
    };
    for (const piece of [
      '{{.ID}}',
      '{{ "a" }}',
      'a ',
      '{{/**/}}',
      ' ',
      '{{.ID|upper}}\n',
      '{{',
      '{{print (1)}}',
    ]) {
      time(piece.repeat(2000));
      // Quadratic behaviour would take minutes.
      expect(time(piece.repeat(30_000)), piece).to.be.lessThan(5000);
    }
    expect(time(`{{print ${'1 '.repeat(200_000)}}}`)).to.be.lessThan(5000);
    expect(time(`{{.${'A.'.repeat(200_000)}}}`)).to.be.lessThan(5000);
    expect(time(`{{"${'a'.repeat(500_000)}"}}`)).to.be.lessThan(5000);
  });
});
