import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { inspect } from 'node:util';
import { expect } from 'chai';
import fc from 'fast-check';
import { parseReference, withDefaultTag } from '../../../lib/oci/reference.js';
import type { Registries, RegistriesConfig } from '../../../lib/registry/registries-conf.js';
import { asRead, loadRegistries } from '../../../lib/registry/registries-files.js';
import { findRule, isInsecure, readingEndpoints } from '../../../lib/registry/registries-match.js';
import { parseRegistriesConf } from '../../../lib/registry/registries-toml.js';
import { failure } from '../../support/memory-source.js';

const EXAMPLE = `
unqualified-search-registries = ["example.com"]

[[registry]]
prefix = "example.com/foo"
insecure = false
blocked = false
location = "internal-registry-for-example.net/bar"

[[registry.mirror]]
location = "example-mirror-0.local/mirror-for-foo"

[[registry.mirror]]
location = "example-mirror-1.local/mirrors/foo"
insecure = true

[[registry]]
location = "registry.com"

[[registry.mirror]]
location = "mirror.registry.com"
`;

const config = (registries: RegistriesConfig): Promise<Registries> => loadRegistries({ registries });
const read = async (text: string): Promise<Registries> => config(parseRegistriesConf(text, 'x.conf'));
const endpoints = (registries: Registries, name: string): string[] =>
  readingEndpoints(registries, withDefaultTag(parseReference(name))).map(
    ({ reference: { domain, path, tag, digest }, insecure }) =>
      `${insecure ? '!' : ''}${domain}/${path}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : '@'}`,
  );
const digest = `sha256:${'a'.repeat(64)}`;

describe('registries.conf: rules', () => {
  it('does what the man page says of its example', async () => {
    const registries = await read(EXAMPLE);
    expect(endpoints(registries, 'example.com/foo/image')).to.deep.equal([
      'example-mirror-0.local/mirror-for-foo/image:latest',
      '!example-mirror-1.local/mirrors/foo/image:latest',
      'internal-registry-for-example.net/bar/image:latest',
    ]);
    expect(endpoints(registries, 'registry.com/image:latest')).to.deep.equal([
      'mirror.registry.com/image:latest',
      'registry.com/image:latest',
    ]);
    expect(endpoints(registries, 'example.com/foobar')).to.deep.equal(['example.com/foobar:latest']);
    expect(registries.search).to.deep.equal(['example.com']);
  });

  it('takes the longest prefix, at a border of the name', async () => {
    const registries = await config({
      registries: [
        { prefix: 'a.example', location: 'one.example' },
        { prefix: 'a.example/x', location: 'two.example' },
        { prefix: 'a.example/x/y:1', location: 'three.example/z:2' },
        { prefix: `a.example/x/y@${digest}`, location: `four.example/z@${digest}` },
        { prefix: '*.b.example', insecure: true },
      ],
    });
    const cases: [string, string][] = [
      ['a.example/z', 'one.example/z:latest'],
      ['a.example/x/y', 'two.example/y:latest'],
      ['a.example/xx', 'one.example/xx:latest'],
      ['a.example/x/y:1', 'three.example/z:2'],
      ['a.example/x/y:11', 'two.example/y:11'],
      [`a.example/x/y@${digest}`, 'four.example/z@'],
      ['a.example:5000/q', 'one.example:5000/q:latest'],
      ['c.b.example/q', '!c.b.example/q:latest'],
      ['d.c.b.example:5000/q', '!d.c.b.example:5000/q:latest'],
      ['b.example/q', 'b.example/q:latest'],
      ['xb.example/q', 'xb.example/q:latest'],
      ['host.example/c.b.example', 'host.example/c.b.example:latest'],
    ];
    for (const [name, place] of cases) expect(endpoints(registries, name), name).to.deep.equal([place]);
  });

  it('uses mirrors only for what they are for', async () => {
    const mirror = (location: string, pullFromMirror?: 'all' | 'digest-only' | 'tag-only') => ({
      location,
      ...(pullFromMirror && { pullFromMirror }),
    });
    const mirrors = [
      mirror('all.example', 'all'),
      mirror('digest.example', 'digest-only'),
      mirror('tag.example', 'tag-only'),
    ];
    const each = await config({ registries: [{ location: 'r.example', mirrors }] });
    expect(endpoints(each, 'r.example/x:1')).to.deep.equal([
      'all.example/x:1',
      'tag.example/x:1',
      'r.example/x:1',
    ]);
    expect(endpoints(each, `r.example/x:1@${digest}`)).to.deep.equal([
      'all.example/x:1@',
      'digest.example/x:1@',
      'r.example/x:1@',
    ]);
    const byDigest = await config({
      registries: [{ location: 'r.example', mirrorByDigestOnly: true, mirrors: [mirror('m.example')] }],
    });
    expect(endpoints(byDigest, 'r.example/x')).to.deep.equal(['r.example/x:latest']);
    expect(endpoints(byDigest, `r.example/x@${digest}`)).to.deep.equal(['m.example/x@', 'r.example/x@']);
  });

  it('blocks for reading and for all else', async () => {
    const registries = await config({
      registries: [{ prefix: 'a.example/bad', blocked: true, insecure: true }],
    });
    for (const work of [
      () => readingEndpoints(registries, parseReference('a.example/bad/x:1')),
      () => isInsecure(registries, 'a.example', 'bad'),
    ]) {
      expect(work).to.throw().with.property('code', 'ERR_REGISTRY_BLOCKED');
    }
    expect(isInsecure(registries, 'a.example', '')).to.equal(false);
  });

  it('finds for any names what a plain comparison finds', () => {
    const part = fc.constantFrom('a', 'b', 'ab');
    const path = fc
      .array(part, { minLength: 1, maxLength: 3 })
      .map((parts) => `h.example/${parts.join('/')}`);
    fc.assert(
      fc.property(path, fc.uniqueArray(path, { maxLength: 6 }), (name, prefixes) => {
        const rules = prefixes.map((prefix) => ({
          prefix,
          location: prefix,
          insecure: false,
          blocked: false,
          mirrorByDigestOnly: false,
          mirrors: [],
        }));
        const wanted = prefixes
          .filter((prefix) => `${name}/`.startsWith(`${prefix}/`))
          .sort((a, b) => b.length - a.length)[0];
        expect(findRule(rules, name)?.prefix).to.equal(wanted);
      }),
    );
  });
});

describe('registries.conf: files', () => {
  let home: string;
  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), 'vaina-registries-'));
  });
  afterEach(() => rmSync(home, { recursive: true, force: true }));

  function write(path: string, text: string): string {
    const at = join(home, path);
    mkdirSync(dirname(at), { recursive: true });
    writeFileSync(at, text);
    return at;
  }

  const load = (env: NodeJS.ProcessEnv = {}): Promise<Registries> =>
    loadRegistries({
      env: { HOME: home, XDG_CACHE_HOME: join(home, 'cache'), ...env },
      systemDirectory: join(home, 'etc'),
    });

  it('come in their order, and what is later wins', async () => {
    expect((await load()).search).to.equal(undefined);
    const system = write('etc/registries.conf', 'unqualified-search-registries = ["system.example"]');
    expect(await load()).to.deep.include({ search: ['system.example'], origin: system, mode: 'permissive' });
    write(
      'etc/registries.conf.d/10-a.conf',
      'short-name-mode = "enforcing"\n[aliases]\n"x" = "ten.example/x"\n"y" = "ten.example/y"',
    );
    const twenty = write(
      'etc/registries.conf.d/20-b.conf',
      'unqualified-search-registries = ["twenty.example"]',
    );
    write('etc/registries.conf.d/30-c.txt', 'unqualified-search-registries = ["no.example"]');
    write('etc/registries.conf.d/sub.conf/x.conf', 'nonsense');
    write('.config/containers/registries.conf.d/00-user.conf', '[aliases]\n"x" = "user.example/x"\n"y" = ""');
    const merged = await load();
    expect(merged).to.deep.include({ search: ['twenty.example'], origin: twenty, mode: 'enforcing' });
    expect(merged.aliases.get('x')?.name).to.equal('user.example/x');
    expect(merged.aliases.get('y')?.name).to.equal(undefined);
    const user = write('.config/containers/registries.conf', 'unqualified-search-registries = []');
    const own = await load();
    expect(own).to.deep.include({ search: [], origin: user, mode: 'permissive' });
    expect([...own.aliases.keys()]).to.deep.equal(['x', 'y']);
    const named = write('named.conf', 'unqualified-search-registries = ["named.example"]');
    rmSync(twenty);
    expect((await load({ CONTAINERS_REGISTRIES_CONF: named })).search).to.deep.equal(['named.example']);
    const missing = await failure(load({ CONTAINERS_REGISTRIES_CONF: join(home, 'nosuch') }));
    expect([missing.code, missing.path]).to.deep.equal(['ERR_NO_SUCH_PATH', join(home, 'nosuch')]);
  });

  it('replace a rule as a whole, by its prefix', async () => {
    write(
      'etc/registries.conf',
      '[[registry]]\nprefix="a.example"\nlocation="one.example"\nblocked=true\n[[registry]]\nlocation="b.example"',
    );
    write('etc/registries.conf.d/a.conf', '[[registry]]\nlocation="a.example"\ninsecure=true');
    const { rules } = await load();
    expect(rules).to.have.length(2);
    expect(rules[0]).to.deep.include({
      prefix: 'a.example',
      location: 'a.example',
      insecure: true,
      blocked: false,
    });
  });

  it('are read again by each who asks, but not by what has got them from there', async () => {
    const path = write('etc/registries.conf', 'unqualified-search-registries = ["one.example"]');
    const one = await load();
    expect((await load()).search).to.deep.equal(['one.example']);
    writeFileSync(path, 'unqualified-search-registries = ["two.example"]');
    expect((await load()).search).to.deep.equal(['two.example']);
    expect(await loadRegistries({ registries: asRead(one) })).to.equal(one);
  });

  it('that are not asked for do not have to be readable', async () => {
    mkdirSync(join(home, 'etc/registries.conf'), { recursive: true });
    expect((await failure(load())).code).to.equal('ERR_PERMISSION');
    write('.config/containers/registries.conf', 'unqualified-search-registries = ["mine.example"]');
    expect((await load()).search).to.deep.equal(['mine.example']);
  });

  it('of version 1 are refused with a word for it', async () => {
    const path = write('etc/registries.conf', "[registries.search]\nregistries = ['registry1.com']\n");
    const error = await failure(load());
    expect([error.code, error.path]).to.deep.equal(['ERR_INVALID_OPTION', path]);
    expect(error.message).to.include('version 1').and.include(path);
  });

  it('that are malformed are one error with the path and no content', async () => {
    const rule = (text: string): string => `[[registry]]\nlocation = "hunter2.example"\n${text}`;
    for (const text of [
      'password = "hunter2',
      'hunter2 = 1\nhunter2 = 2',
      'unqualified-search-registries = "hunter2"',
      'unqualified-search-registries = [1]',
      'unqualified-search-registries = ["https://user:hunter2@a.example"]',
      'unqualified-search-registries = ["hunter2 x"]',
      'short-name-mode = "hunter2"',
      'credential-helpers = {}',
      'registry = 1',
      '[[registry]]\ninsecure = true',
      '[[registry]]\nprefix = "*.hunter2.example/foo"',
      '[[registry]]\nprefix = "hunter2.*.example"',
      rule('insecure = "hunter2"'),
      rule('[[registry.mirror]]\ninsecure = true'),
      rule('[[registry.mirror]]\nlocation = "m.example"\npull-from-mirror = "hunter2"'),
      rule(
        'mirror-by-digest-only = true\n[[registry.mirror]]\nlocation = "m.example"\npull-from-mirror = "all"',
      ),
      rule('[[registry]]\nprefix = "x.example"\nlocation = "hunter2.example"\nblocked = true'),
      '[aliases]\n"a.example/x" = "hunter2.example/x"',
      '[aliases]\n"x:hunter2" = "b.example/x"',
      '[aliases]\n"x" = "hunter2"',
      '[aliases]\n"x" = "b.example/x:hunter2"',
      '[aliases]\n"x" = 5',
    ]) {
      const path = write('etc/registries.conf', text);
      const error = await failure(load());
      expect([error.code, error.path], text).to.deep.equal(['ERR_INVALID_OPTION', path]);
      expect(error.message, text).to.include(path);
      expect(inspect(error, { depth: 9 }), text).not.to.include('hunter2');
    }
  });

  it('may have keys that are not known yet', async () => {
    write('etc/registries.conf', 'new-thing = 1\n[[registry]]\nlocation = "a.example"\nnewer = []');
    expect((await load()).rules).to.have.length(1);
  });

  it('are not read when the program gives its own, which is checked to the last member', async () => {
    write('etc/registries.conf', 'nonsense');
    expect((await config({ unqualifiedSearchRegistries: ['a.example'] })).search).to.deep.equal([
      'a.example',
    ]);
    const none = await loadRegistries({ registries: false });
    expect([none.search, none.origin, none.rules]).to.deep.equal([undefined, undefined, []]);
    for (const wrong of [
      { registry: [] },
      { registries: {} },
      { registries: [{ location: 1 }] },
      { registries: [{ location: 'a.example', mirror: [] }] },
      { registries: [{ location: 'a.example', mirrors: [{}] }] },
      { unqualifiedSearchRegistries: ['a.example', 2] },
      { aliases: { x: 1 } },
      { shortNameMode: 'x' },
      [],
      null,
    ]) {
      expect((await failure(config(wrong as RegistriesConfig))).code, JSON.stringify(wrong)).to.equal(
        'ERR_INVALID_OPTION',
      );
    }
  });

  it('end for any text in a configuration or a typed error', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string(), async (text) => {
        try {
          await read(text);
        } catch (error) {
          expect(error).to.have.property('code', 'ERR_INVALID_OPTION');
        }
      }),
      { numRuns: 50 },
    );
  });
});
