import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { parseReference, type Reference } from '../../../lib/oci/reference.js';
import type { Digest } from '../../../lib/oci/types.js';
import { createLookaside, signatureUrl, type HttpGetter } from '../../../lib/signature/lookaside.js';
import { readRegistriesD, storageOf } from '../../../lib/signature/registries-d.js';
import { thrown } from './failures.js';
import { failure } from '../../support/memory-source.js';

const DIGEST = `sha256:${'ab'.repeat(32)}` as Digest;
const reference = parseReference('r.test:5000/ns/app:1');

describe('look-aside storage', () => {
  let directory: string;
  let registriesDir: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'vaina-lookaside-'));
    registriesDir = join(directory, 'registries.d');
    mkdirSync(registriesDir);
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  const config = (text: string, name = 'test.yaml'): void => writeFileSync(join(registriesDir, name), text);
  const found = async (name: string) =>
    storageOf(await readRegistriesD({ registriesDir }), parseReference(name));

  it('takes the most specific scope that has a value', async () => {
    config(`default-docker:\n  lookaside: https://default.test\n  use-sigstore-attachments: true\n`);
    config(
      [
        'docker:',
        '  r.test:',
        '    sigstore: https://host.test',
        '  r.test/ns:',
        '    lookaside: https://ns.test',
        '    lookaside-staging: file:///staging',
        '    use-sigstore-attachments: false',
        '  r.test/ns/app:1:',
        '    lookaside: https://tag.test',
        '    sigstore: https://older.test',
        '  r.test/ns/other:',
        '    sigstore-staging: file:///other',
        '    a-word-from-tomorrow: 1',
      ].join('\n'),
      'more.yaml',
    );
    config('this: is: no yaml', 'README');
    const expected: Record<string, object> = {
      'r.test/ns/app:1': {
        lookaside: 'https://tag.test',
        lookasideStaging: 'https://tag.test',
        useSigstoreAttachments: false,
      },
      'r.test/ns/app:2': {
        lookaside: 'https://ns.test',
        lookasideStaging: 'file:///staging',
        useSigstoreAttachments: false,
      },
      'r.test/ns/other': {
        lookaside: 'https://ns.test',
        lookasideStaging: 'file:///other',
        useSigstoreAttachments: false,
      },
      'r.test/x': {
        lookaside: 'https://host.test',
        lookasideStaging: 'https://host.test',
        useSigstoreAttachments: true,
      },
      'r.test:5000/x': {
        lookaside: 'https://default.test',
        lookasideStaging: 'https://default.test',
        useSigstoreAttachments: true,
      },
    };
    for (const [name, storage] of Object.entries(expected))
      expect(await found(name), name).to.deep.equal(storage);
  });

  it('refuses files that are malformed, or say something twice', async () => {
    const cases: [string, RegExp][] = [
      ['docker: [', /is not valid YAML/],
      ['docker: {a.b: {lookaside: x}, a.b: {lookaside: y}}', /is not valid YAML: .*unique/],
      ['- 1', /the document must be an object/],
      ['docker: 1', /docker must be an object/],
      ['docker: {a.b: 1}', /docker\["a.b"\] must be an object/],
      ['default-docker: {lookaside: 1}', /lookaside must be a string/],
      ['docker: {a.b: {use-sigstore-attachments: "yes"}}', /must be true or false/],
    ];
    for (const [text, words] of cases) {
      config(text);
      const error = await failure(found('a.b/c'));
      expect(error.code).to.equal('ERR_INVALID_OPTION');
      expect(error.message).to.match(words).and.to.contain(join(registriesDir, 'test.yaml'));
    }
    config('docker: {a.b: {lookaside: x}}');
    config('docker: {a.b: {lookaside: y}}', 'zz.yaml');
    expect((await failure(found('a.b/c'))).message).to.match(/"a.b" is defined both in .*test.yaml and here/);
    config('', 'zz.yaml');
    expect((await found('a.b/c')).lookaside).to.equal('x');
  });

  it('says nothing without a directory', async () => {
    const none = await readRegistriesD({ registriesDir: join(directory, 'none') });
    expect(storageOf(none, reference)).to.deep.equal({});
  });

  it('writes and reads files, and removes those of before', async () => {
    config(
      `default-docker: {lookaside: "file://${directory}/store with space"}`.replaceAll(
        ' with ',
        '%20with%20',
      ),
    );
    const lookaside = createLookaside({ registriesDir });
    expect(await lookaside.read(reference, DIGEST)).to.deep.equal([]);
    const blobs = ['one', 'two', 'three'].map((text) => Buffer.from(text));
    await lookaside.write(reference, DIGEST, blobs);
    const place = join(directory, 'store with space', `ns/app@sha256=${'ab'.repeat(32)}`);
    expect(readFileSync(join(place, 'signature-2'), 'utf8')).to.equal('two');
    expect(await lookaside.read(reference, DIGEST)).to.deep.equal(blobs);
    await lookaside.write(reference, DIGEST, blobs.slice(1, 2));
    expect(readdirSync(place)).to.deep.equal(['signature-1']);
    expect(await lookaside.read(reference, DIGEST)).to.deep.equal([blobs[1]]);
    const elsewhere = createLookaside({ registriesDir, directory: join(directory, 'mine') });
    await elsewhere.write(reference, DIGEST, blobs);
    expect(existsSync(join(directory, 'mine', `ns/app@sha256=${'ab'.repeat(32)}`, 'signature-3'))).to.equal(
      true,
    );
  });

  it('has limits on how many and how large', async () => {
    config(`default-docker: {lookaside: "file://${directory}/store"}`);
    const lookaside = createLookaside({ registriesDir });
    const many = Array<Buffer>(33).fill(Buffer.from('x'));
    expect((await failure(lookaside.write(reference, DIGEST, many))).code).to.equal('ERR_INVALID_OPTION');
    await lookaside.write(reference, DIGEST, many.slice(1));
    expect(await lookaside.read(reference, DIGEST)).to.have.length(32);
    const place = join(directory, 'store', `ns/app@sha256=${'ab'.repeat(32)}`);
    writeFileSync(join(place, 'signature-33'), 'x');
    expect((await failure(lookaside.read(reference, DIGEST))).message).to.match(/more than 32 signatures/);
    writeFileSync(join(place, 'signature-1'), Buffer.alloc((4 << 20) + 1));
    expect((await failure(lookaside.read(reference, DIGEST))).message).to.match(/larger than 4194304 bytes/);
  });

  it('asks a web server through what it is given, and never writes to one', async () => {
    config('default-docker: {lookaside: "https://s.test/base/?token=1"}');
    const asked: string[] = [];
    const get: HttpGetter = async (url, { limit }) => {
      asked.push(url);
      expect(limit).to.equal(4 << 20);
      return asked.length > 2 ? undefined : Buffer.from(String(asked.length));
    };
    const lookaside = createLookaside({ registriesDir, get });
    expect((await lookaside.read(reference, DIGEST)).map(String)).to.deep.equal(['1', '2']);
    expect(asked[2]).to.equal(`https://s.test/base//ns/app@sha256=${'ab'.repeat(32)}/signature-3?token=1`);
    const endless = createLookaside({ registriesDir, get: async () => Buffer.from('x') });
    expect((await failure(endless.read(reference, DIGEST))).code).to.equal('ERR_REGISTRY');
    const written = await failure(lookaside.write(reference, DIGEST, []));
    expect(written.code).to.equal('ERR_UNSUPPORTED');
    expect(written.hint).to.contain('lookaside-staging');
    expect((await failure(createLookaside({ registriesDir }).read(reference, DIGEST))).code).to.equal(
      'ERR_UNSUPPORTED',
    );
  });

  it('leads nowhere else, whatever a reference or a digest says', () => {
    const paths = [
      '../../etc/x',
      '..',
      'a/../b',
      '/etc',
      'a/./b',
      'a//b',
      'a\0b',
      'a%2f..%2fb',
      'A',
      'a?b',
      'a#b',
      '',
    ];
    for (const path of paths) {
      const hostile: Reference = { domain: 'r.test', path, tag: '1' };
      expect(thrown(() => signatureUrl('file:///base', hostile, DIGEST, 0)).code, path).to.equal(
        'ERR_INVALID_REFERENCE',
      );
    }
    for (const digest of ['sha256:../x', 'sha256:', 'x', `sha256:${'A'.repeat(64)}`]) {
      expect(thrown(() => signatureUrl('file:///base', reference, digest as Digest, 0)).code).to.equal(
        'ERR_INVALID_IMAGE',
      );
    }
    for (const base of ['/base', 'ftp://x', 'file://host/base', 'base', 'javascript:1']) {
      expect(thrown(() => signatureUrl(base, reference, DIGEST, 0)).code, base).to.equal(
        'ERR_INVALID_OPTION',
      );
    }
    const url = signatureUrl('file:///base', parseReference('busybox'), DIGEST, 1);
    expect(url.href).to.equal(`file:///base/library/busybox@sha256=${'ab'.repeat(32)}/signature-2`);
  });
});
