import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  lstatSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { VainaError } from '../../../lib/errors.js';
import { formatReference } from '../../../lib/oci/reference.js';
import type { RegistriesConfig } from '../../../lib/registry/registries-conf.js';
import {
  firstCandidate,
  localCandidates,
  resolveShortName,
  writeAlias,
  type ShortNameOptions,
} from '../../../lib/registry/short-names.js';
import { failure } from '../../support/memory-source.js';

const digest = `sha256:${'b'.repeat(64)}`;
const TWO: RegistriesConfig = {
  unqualifiedSearchRegistries: ['a.example', 'b.example/ns'],
  aliases: { known: 'quay.io/org/known', 'ns/known': 'quay.io/other', gone: '' },
};

async function names(
  name: string,
  config: RegistriesConfig | false,
  more: ShortNameOptions = {},
): Promise<string[]> {
  const { candidates } = await resolveShortName(name, { config, ...more });
  return candidates.map(formatReference);
}

describe('short names', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'vaina-short-'));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  it('are of docker.io where nothing is configured; others are themselves', async () => {
    expect(await names('busybox', false)).to.deep.equal(['docker.io/library/busybox:latest']);
    for (const config of [TWO, false] as const)
      expect(await names('a.example/x', config)).to.deep.equal(['a.example/x:latest']);
    expect(await names('localhost/x', TWO)).to.deep.equal(['localhost/x:latest']);
    expect((await resolveShortName('a.example/x', { config: TWO })).why).to.equal(undefined);
  });

  it('are looked up among the aliases without tag and digest, which come back', async () => {
    expect(await names('known', TWO)).to.deep.equal(['quay.io/org/known:latest']);
    expect(await names('known:1', TWO)).to.deep.equal(['quay.io/org/known:1']);
    expect(await names(`known@${digest}`, TWO)).to.deep.equal([`quay.io/org/known@${digest}`]);
    expect(await names(`known:2@${digest}`, TWO)).to.deep.equal([`quay.io/org/known:2@${digest}`]);
    expect(await names('ns/known', TWO)).to.deep.equal(['quay.io/other:latest']);
    expect((await resolveShortName('known:1', { config: TWO })).why).to.equal(
      'Resolved "known" as an alias (registries)',
    );
    expect(await names('gone', TWO)).to.have.length(2);
  });

  it('are tried at all search registries by the permissive and the disabled mode', async () => {
    for (const shortNameMode of ['permissive', 'disabled'] as const) {
      expect(await names('x:1', { ...TWO, shortNameMode })).to.deep.equal([
        'a.example/x:1',
        'b.example/ns/x:1',
      ]);
    }
    const { why, remember } = await resolveShortName('x', { config: TWO });
    expect(why).to.equal('Resolving "x" using unqualified-search registries (registries)');
    expect(remember).to.equal(undefined);
    const never = (): never => expect.fail('nobody is to be asked');
    expect(await names('x', { ...TWO, shortNameMode: 'disabled' }, { choose: never })).to.have.length(2);
    const one = { unqualifiedSearchRegistries: ['docker.io'], shortNameMode: 'enforcing' } as const;
    expect(await names('x', one, { choose: never })).to.deep.equal(['docker.io/library/x:latest']);
  });

  it('that fit several need somebody to ask by the enforcing mode', async () => {
    const error = await failure(resolveShortName('x', { config: { ...TWO, shortNameMode: 'enforcing' } }));
    expect(error.code).to.equal('ERR_SHORT_NAME');
    expect(error.message).to.equal('short-name resolution enforced but cannot prompt without a TTY');
    const nothing = await failure(resolveShortName('x:1', { config: { unqualifiedSearchRegistries: [] } }));
    expect([nothing.code, nothing.message]).to.deep.equal([
      'ERR_SHORT_NAME',
      'short-name "x:1" did not resolve to an alias and no unqualified-search registries are defined in "registries"',
    ]);
  });

  it('are what the user chooses, and stay that', async () => {
    const aliasFile = join(directory, 'sub/short-name-aliases.conf');
    const config = { ...TWO, aliasFile };
    const asked: (readonly string[])[] = [];
    const choose = (candidates: readonly string[]): string => {
      asked.push(candidates);
      return candidates[1] ?? '';
    };
    const resolved = await resolveShortName('x:1', { config, choose });
    expect(resolved.candidates.map(formatReference)).to.deep.equal(['b.example/ns/x:1']);
    expect(await names('x', config)).to.have.length(2);
    await resolved.remember?.();
    expect(await names('x:9', config, { choose })).to.deep.equal(['b.example/ns/x:9']);
    expect(asked).to.deep.equal([['a.example/x:1', 'b.example/ns/x:1']]);
    expect(statSync(aliasFile).mode & 0o777).to.equal(0o600);
    expect(readFileSync(aliasFile, 'utf8')).to.equal('[aliases]\nx = "b.example/ns/x"\n');
    expect(readdirSync(join(directory, 'sub'))).to.deep.equal(['short-name-aliases.conf']);
    const error = await failure(resolveShortName('y', { config, choose: () => 'evil.example/y' }));
    expect(error.code).to.equal('ERR_SHORT_NAME');
  });

  it('that are chosen come before those of the configuration', async () => {
    const aliasFile = join(directory, 'aliases.conf');
    await writeAlias(aliasFile, 'known', 'mine.example/known');
    expect(await names('known', { ...TWO, aliasFile })).to.deep.equal(['mine.example/known:latest']);
  });

  it('are written at the same time without one being lost, through a link, and not into what is malformed', async () => {
    const target = join(directory, 'target.conf');
    const link = join(directory, 'link.conf');
    writeFileSync(target, '[aliases]\n"old" = "a.example/old"\n"off" = ""\n');
    symlinkSync(target, link);
    const all = Array.from({ length: 10 }, (_, i) => `n${i}`);
    await Promise.all(all.map((name) => writeAlias(link, name, `a.example/${name}`)));
    expect(lstatSync(link).isSymbolicLink()).to.equal(true);
    const text = readFileSync(target, 'utf8');
    for (const name of ['old', ...all]) expect(text).to.include(`${name} = "a.example/${name}"`);
    expect(text).to.include('off = ""');
    writeFileSync(target, 'nonsense');
    expect((await failure(writeAlias(link, 'x', 'a.example/x'))).code).to.equal('ERR_INVALID_OPTION');
    expect(readFileSync(target, 'utf8')).to.equal('nonsense');
    expect((await failure(writeAlias(join(target, 'x.conf'), 'x', 'a.example/x'))).code).to.equal(
      'ERR_PERMISSION',
    );
  });

  it('mean among local images their alias, then the search registries', async () => {
    const local = async (name: string): Promise<string[]> =>
      (await localCandidates(name, { config: TWO })).map(formatReference);
    expect(await local('known:1')).to.deep.equal([
      'quay.io/org/known:1',
      'a.example/known:1',
      'b.example/ns/known:1',
    ]);
    expect(await local('a.example/x')).to.deep.equal([]);
  });

  it('that fail everywhere fail with what all say', async () => {
    const { candidates } = await resolveShortName('x', { config: TWO });
    const missing = new VainaError('ERR_NO_SUCH_IMAGE', 'not here');
    const refused = new VainaError('ERR_UNAUTHORIZED', 'who are you');
    const both = firstCandidate(candidates, undefined, async ({ domain }) => {
      throw domain === 'a.example' ? missing : refused;
    });
    const error = await failure(both);
    expect(error.code).to.equal('ERR_UNAUTHORIZED');
    expect(error.message).to.equal('2 errors occurred while pulling:\n * not here\n * who are you');
    const one = firstCandidate(candidates.slice(1), undefined, () => Promise.reject(missing));
    expect(await failure(one)).to.equal(missing);
    const controller = new AbortController();
    const reason = new Error('stop');
    const aborted = firstCandidate(candidates, controller.signal, () => {
      controller.abort(reason);
      return Promise.reject(missing);
    });
    expect(await aborted.catch((thrown: unknown) => thrown)).to.equal(reason);
  });
});
