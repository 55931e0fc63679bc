import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

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
