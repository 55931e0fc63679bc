import { execFileSync, spawn, type ChildProcess, type SpawnOptions } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { findProgram } from './requires.js';

/** The top of the checkout (or of the compiled tree in the lab). */
export const REPO = resolve(__dirname, '../..');

/** A directory on a disk, not a tmpfs, for stores and sockets. */
export function makeDirectory(): string {
  return mkdtempSync('/var/tmp/vaina-test-');
}

/** A root file system of nothing but busybox, the users root, daemon and alice (1000), and `files` (path → text). */
export function makeBusyboxRoot(directory: string, files: Readonly<Record<string, string>> = {}): string {
  const root = join(directory, 'busybox-root');
  for (const path of ['bin', 'etc', 'root', 'tmp', 'dev', 'proc', 'sys', 'home/alice', 'var/tmp', 'run']) {
    mkdirSync(join(root, path), { recursive: true });
  }
  chmodSync(join(root, 'tmp'), 0o1777);
  const busybox = findProgram('busybox');
  if (busybox === undefined) throw new Error('busybox is not installed');
  copyFileSync(busybox, join(root, 'bin/busybox'));
  chmodSync(join(root, 'bin/busybox'), 0o755);
  for (const applet of execFileSync(busybox, ['--list'], { encoding: 'utf8' }).split('\n')) {
    if (applet !== '' && applet !== 'busybox') symlinkSync('busybox', join(root, 'bin', applet));
  }
  writeFileSync(
    join(root, 'etc/passwd'),
    'root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1::/:/bin/false\nalice:x:1000:1000::/home/alice:/bin/sh\n',
  );
  writeFileSync(
    join(root, 'etc/group'),
    'root:x:0:\ndaemon:x:1:\nalice:x:1000:\nstaff:x:50:alice\naudio:x:29:alice,root\n',
  );
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(root, dirname(path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}

/** Packs `root` as a tar archive beside it, owned by root. */
export function packRoot(root: string): string {
  const archive = `${root}.tar`;
  execFileSync('tar', ['-C', root, '--owner=0', '--group=0', '--numeric-owner', '-cf', archive, '.']);
  return archive;
}

/** Removes a scratch directory; an ordinary user's has files of other ids, which stay for root to remove. */
export function removeDirectory(directory: string): void {
  try {
    rmSync(directory, { recursive: true, force: true });
  } catch (error) {
    if (process.getuid?.() === 0) throw error;
  }
}

/** Polls until `test` holds; fails with `what` after `patience` milliseconds. */
export async function until(
  what: string,
  test: () => boolean | Promise<boolean>,
  patience = 5000,
): Promise<void> {
  const deadline = performance.now() + patience;
  while (!(await test())) {
    if (performance.now() > deadline) throw new Error(`not within ${patience} ms: ${what}`);
    await new Promise((done) => setTimeout(done, 10));
  }
}

/** node's arguments for running a script of ours, which is TypeScript in a checkout and JavaScript in the lab. */
export function nodeArguments(script: string): string[] {
  const path = join(REPO, script);
  return __filename.endsWith('.ts')
    ? ['-r', join(REPO, 'test/support/hook.cjs'), `${path}.ts`]
    : [`${path}.js`];
}

/** Starts a script of ours (path from the top, without extension) in a Node.js of its own. */
export function startNode(script: string, args: readonly string[], options: SpawnOptions = {}): ChildProcess {
  return spawn(process.execPath, [...nodeArguments(script), ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
    ...options,
  });
}

/** What a program that has ended left. */
export interface Ended {
  exitCode: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** Runs a program to its end and keeps its output. */
export async function runProgram(
  command: string,
  args: readonly string[],
  options: SpawnOptions & { input?: string } = {},
): Promise<Ended> {
  const { input, ...rest } = options;
  const child = spawn(command, args, { ...rest, stdio: ['pipe', 'pipe', 'pipe'] });
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
  child.stdin.on('error', () => undefined);
  child.stdin.end(input ?? '');
  return new Promise((done, fail) => {
    child.on('error', fail);
    child.on('close', (exitCode, signal) =>
      done({
        exitCode,
        signal,
        stdout: Buffer.concat(stdout).toString(),
        stderr: Buffer.concat(stderr).toString(),
      }),
    );
  });
}

/** Compiles a C program of test/support (or another directory) statically, to run it in a container. */
export function compileStatic(source: string, output: string, flags: readonly string[] = []): string {
  execFileSync('gcc', [
    '-static',
    '-O2',
    '-Wall',
    '-Wextra',
    '-Werror',
    ...flags,
    '-o',
    output,
    join(REPO, source),
  ]);
  return output;
}

/** A machine that takes ten times as long as this one must not fail for it: the lab. */
export const SLOW = process.env['VAINA_LAB'] === '1' ? 10 : 1;
