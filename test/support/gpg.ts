import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';

/** How a key of {@link GpgHome.makeKey} differs from an ordinary one. */
export interface KeyOptions {
  /** Default: none. */
  passphrase?: string;
  /** As gpg reads it: `1d`, `never`. Default `never`. */
  expires?: string;
  /** The time gpg takes for now, as in `20200101T000000`. Default: now. */
  at?: string;
}

/** A directory of OpenPGP keys for tests. */
export class GpgHome {
  readonly directory: string;

  constructor(parent: string) {
    // Sockets are in it, whose paths must be short.
    this.directory = join(parent, 'gnupg');
    mkdirSync(this.directory, { mode: 0o700 });
  }

  /** Runs gpg; returns what it prints. */
  gpg(args: readonly string[], input: string | Uint8Array = ''): Buffer {
    return execFileSync('gpg', ['--homedir', this.directory, '--batch', '--quiet', '--yes', ...args], {
      input,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
  }

  /** Makes a key that signs; returns its fingerprint. */
  makeKey(name: string, { passphrase = '', expires = 'never', at }: KeyOptions = {}): string {
    const time = at === undefined ? [] : ['--faked-system-time', at];
    const secret = ['--pinentry-mode', 'loopback', '--passphrase', passphrase];
    const id = `${name} <${name}@test.example>`;
    this.gpg([...time, ...secret, '--quick-gen-key', id, 'ed25519', 'sign', expires]);
    const lines = this.gpg(['--list-keys', '--with-colons', `=${id}`])
      .toString()
      .split('\n');
    const fingerprint = lines.find((line) => line.startsWith('fpr'))?.split(':')[9];
    if (fingerprint === undefined) throw new Error(`gpg made no key for ${name}`);
    return fingerprint;
  }

  /** The public part of keys. */
  exportKeys(...fingerprints: string[]): Buffer {
    return this.gpg(['--export', ...fingerprints]);
  }

  /** Ends the agent. */
  close(): void {
    execFileSync('gpgconf', ['--homedir', this.directory, '--kill', 'all']);
  }

  /** Processes that have this directory in their command line. */
  processes(): string[] {
    return readdirSync('/proc').filter((pid) => {
      if (!/^\d+$/.test(pid)) return false;
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(this.directory);
      } catch {
        return false;
      }
    });
  }
}

/** Two who sign, in a directory of their own, and skopeo with their keys. */
export class Signers {
  directory = '';
  home!: GpgHome;
  /** Fingerprints of their keys. */
  alice = '';
  bob = '';
  #temporary: string | undefined;

  /** The path of something in the directory. */
  readonly at = (name: string): string => join(this.directory, name);

  /** Writes a file into the directory; gives its path. */
  readonly put = (name: string, content: string | Uint8Array): string => {
    writeFileSync(this.at(name), content);
    return this.at(name);
  };

  /** Runs skopeo to its end. */
  readonly skopeo = (...args: string[]): { status: number | null; stdout: string; stderr: string } =>
    spawnSync('skopeo', args, {
      env: { ...process.env, GNUPGHOME: this.home.directory },
      encoding: 'utf8',
    });

  open(): void {
    this.directory = mkdtempSync('/tmp/vaina-sign-');
    this.home = new GpgHome(this.directory);
    // Whatever is made in the directory for temporary files must be gone at the end.
    this.#temporary = process.env['TMPDIR'];
    process.env['TMPDIR'] = this.at('tmp');
    mkdirSync(this.at('tmp'));
    this.alice = this.home.makeKey('alice');
    this.bob = this.home.makeKey('bob');
  }

  close(): void {
    if (this.directory === '') return;
    this.home.close();
    if (this.#temporary === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = this.#temporary;
    const left = readdirSync(this.at('tmp'));
    const running = this.home.processes();
    rmSync(this.directory, { recursive: true, force: true });
    expect(left).to.deep.equal([]);
    expect(running).to.deep.equal([]);
  }
}

/** Signers for a suite. */
export function useSigners(): Signers {
  const signers = new Signers();
  before(() => signers.open());
  after(() => signers.close());
  return signers;
}
