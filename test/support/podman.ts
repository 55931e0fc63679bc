import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { runProgram, type Ended } from './programs.js';

/** Podman with a store of its own, with runc and cgroupfs: what runs on a machine without systemd. */
export class Podman {
  readonly root: string;
  readonly runroot: string;

  constructor(directory: string) {
    this.root = join(directory, 'podman-root');
    this.runroot = join(directory, 'podman-run');
    for (const path of [this.root, this.runroot]) mkdirSync(path, { recursive: true });
  }

  /** The command line in front of podman's own words. */
  arguments(...args: readonly string[]): string[] {
    return [
      ...[
        '--root',
        this.root,
        '--runroot',
        this.runroot,
        '--storage-driver',
        'overlay',
        // Else what cleans up late mounts the store on itself once more, after its end.
        '--storage-opt',
        'overlay.skip_mount_home=true',
        '--log-level',
        'error',
      ],
      ...['--cgroup-manager', 'cgroupfs', '--events-backend', 'none', '--runtime', 'runc', ...args],
    ];
  }

  run(...args: readonly string[]): Promise<Ended> {
    return runProgram('podman', this.arguments(...args));
  }

  /** Output of a command that must succeed. */
  output(...args: readonly string[]): string {
    return execFileSync('podman', this.arguments(...args), {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  }

  /** Imports a root file system archive. */
  import(archive: string, reference: string): void {
    this.output('import', '--quiet', archive, reference);
  }

  /** Containers with their mounts and cgroups away, so that a census of the host finds nothing of it. */
  dispose(): void {
    spawnSync('podman', this.arguments('rm', '--all', '--force', '--time', '0'), { stdio: 'ignore' });
  }
}

/** Flags for a limit on open files and processes that podman needs where it may not raise its own. */
export const PODMAN_LIMITS = ['--ulimit', 'nofile=1024:2048', '--ulimit', 'nproc=1000:2000'];
