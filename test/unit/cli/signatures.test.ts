import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { expect } from 'chai';
import { VainaError } from '../../../lib/errors.js';
import { World } from './fake.js';

describe('cli signatures', () => {
  let world: World;
  let directory: string;
  beforeEach(() => {
    world = new World();
    directory = mkdtempSync(join(tmpdir(), 'vaina-cli-'));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  const at = (name: string): string => join(directory, name);
  const put = (name: string, text: string): string => {
    writeFileSync(at(name), text);
    return at(name);
  };
  const fails = async (message: string, ...argv: string[]): Promise<void> => {
    world.err = '';
    expect(await world.run(...argv)).to.equal(1);
    expect(world.err).to.equal(`Error: ${message}\n`);
  };

  it('standalone-sign writes the signature', async () => {
    world.told['standaloneSign'] = { kind: 'simple', bytes: Buffer.from('signed') };
    const manifest = put('manifest', '{}');
    const passphrase = put('passphrase', 'one\ntwo\n');
    const argv = ['standalone-sign', manifest, 'a.b/c:1', 'F', '-o', at('out')];
    expect(await world.run(...argv, '--passphrase-file', passphrase), world.err).to.equal(0);
    expect(world.out).to.equal('');
    expect(readFileSync(at('out'), 'utf8')).to.equal('signed');
    expect(world.called('standaloneSign')).to.deep.equal([
      [Buffer.from('{}'), 'a.b/c:1', { fingerprint: 'F', passphrase: 'one' }],
    ]);
    const usage = 'Usage: vaina standalone-sign manifest docker-reference key-fingerprint -o signature';
    await fails(usage, 'standalone-sign', manifest, 'a.b/c:1', 'F');
    await fails(usage, 'standalone-sign', manifest, 'a.b/c:1', '-o', at('out'));
    const none = at('none');
    const missing = `open ${none}: no such file or directory`;
    await fails(`Error reading ${none}: ${missing}`, 'standalone-sign', none, 'a.b/c:1', 'F', '-o', at('x'));
    await fails(`Error reading passphrase file: ${missing}`, ...argv, '--passphrase-file', none);
    const place = join(none, 'out');
    await fails(
      `Error writing signature to ${place}: open ${place}: no such file or directory`,
      ...argv.slice(0, -1),
      place,
    );
    world.failures['standaloneSign'] = new VainaError('ERR_HOST_UNSUPPORTED', 'no gpg', {
      hint: 'install it',
    });
    await fails('Error creating signature: no gpg: install it', ...argv);
  });

  it('standalone-verify prints the digest', async () => {
    world.told['standaloneVerify'] = { digest: 'sha256:1', signer: 'F' };
    const files = [put('manifest', '{}'), 'a.b/c:1', 'F,G', put('signature', 's')];
    expect(await world.run('standalone-verify', ...files), world.err).to.equal(0);
    expect(world.out).to.equal('Signature verified, digest sha256:1\n');
    const keys = put('keys', 'k');
    files[2] = 'any';
    expect(await world.run('standalone-verify', '--public-key-file', keys, ...files)).to.equal(0);
    const [manifest, signature] = [Buffer.from('{}'), Buffer.from('s')];
    expect(world.called('standaloneVerify')).to.deep.equal([
      [manifest, 'a.b/c:1', { fingerprints: ['F', 'G'] }, signature],
      [manifest, 'a.b/c:1', { fingerprints: 'any', publicKeys: Buffer.from('k') }, signature],
    ]);
    await fails('Cannot use any fingerprint without a public key file', 'standalone-verify', ...files);
    await fails(
      'Usage: vaina standalone-verify manifest docker-reference key-fingerprint signature',
      'standalone-verify',
      'x',
    );
    const none = at('none');
    const missing = `open ${none}: no such file or directory`;
    await fails(`Error reading manifest from ${none}: ${missing}`, 'standalone-verify', none, 'a', 'F', none);
    await fails(
      `Error reading signature from ${none}: ${missing}`,
      'standalone-verify',
      files[0]!,
      'a',
      'F',
      none,
    );
    world.failures['standaloneVerify'] = new VainaError('ERR_INVALID_SIGNATURE', 'it is bad');
    files[2] = 'F';
    await fails('Error verifying signature: It is bad', 'standalone-verify', ...files);
  });

  it('generate-sigstore-key writes two files, and never over others', async () => {
    world.told['generateSigstoreKey'] = { privateKey: 'secret', publicKey: 'known' };
    const prefix = at('key');
    const argv = ['generate-sigstore-key', '--output-prefix', prefix];
    await fails(
      `Cannot prompt for a passphrase for key ${prefix}.private, standard input is not a TTY`,
      ...argv,
    );
    expect(await world.run(...argv, '--passphrase-file', put('passphrase', 'word\n')), world.err).to.equal(0);
    expect(world.out).to.equal(`Key written to "${prefix}.private" and "${prefix}.pub"\n`);
    expect(readFileSync(`${prefix}.private`, 'utf8')).to.equal('secret');
    expect(statSync(`${prefix}.private`).mode & 0o777).to.equal(0o600);
    expect(readFileSync(`${prefix}.pub`, 'utf8')).to.equal('known');
    await fails(`Refusing to overwrite existing "${prefix}.pub"`, ...argv);
    rmSync(`${prefix}.pub`);
    await fails(`Refusing to overwrite existing "${prefix}.private"`, ...argv);
    await fails('Usage: generate-sigstore-key --output-prefix PREFIX', 'generate-sigstore-key');
    world.terminals.add(0);
    world.input = Readable.from([Buffer.from('worx'), Buffer.from('\x7fd\r')]);
    rmSync(`${prefix}.private`);
    world.out = '';
    expect(await world.run(...argv), world.err).to.equal(0);
    expect(world.out).to.match(new RegExp(`^Passphrase for key ${prefix}.private: \nKey written to `));
    expect(world.raw).to.deep.equal([true, false]);
    expect(world.called('generateSigstoreKey')).to.deep.equal([['word'], ['word']]);
  });
});
