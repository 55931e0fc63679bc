import { execFileSync } from 'node:child_process';
import { chownSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeDirectory, nodeArguments, REPO, runProgram, type Ended } from './programs.js';
import { findProgram } from './requires.js';

/** An ordinary user made for a test. */
export interface TestUser {
  name: string;
  uid: number;
  gid: number;
  home: string;
  runtimeDirectory: string;
  /** Subordinate ids as in /etc/subuid, or undefined for none. */
  subids: { first: number; count: number } | undefined;
}

function withoutLines(file: string, name: string): void {
  if (!existsSync(file)) return;
  const lines = readFileSync(file, 'utf8').split('\n');
  writeFileSync(file, lines.filter((line) => !line.startsWith(`${name}:`)).join('\n'));
}

/** Makes a user with a home directory, an XDG_RUNTIME_DIR and, unless told not to, 65536 subordinate ids. */
export function createUser(name: string, options: { subids?: boolean } = {}): TestUser {
  removeUser(name);
  execFileSync('useradd', ['-m', '-s', '/bin/bash', name]);
  const uid = Number(execFileSync('id', ['-u', name], { encoding: 'utf8' }));
  const gid = Number(execFileSync('id', ['-g', name], { encoding: 'utf8' }));
  for (const file of ['/etc/subuid', '/etc/subgid']) withoutLines(file, name);
  let subids: TestUser['subids'];
  if (options.subids !== false) {
    subids = { first: 200_000_000 + uid * 65_536, count: 65_536 };
    for (const file of ['/etc/subuid', '/etc/subgid']) {
      const before = existsSync(file) ? readFileSync(file, 'utf8') : '';
      const newline = before === '' || before.endsWith('\n') ? '' : '\n';
      writeFileSync(file, `${before}${newline}${name}:${subids.first}:${subids.count}\n`);
    }
  }
  const runtimeDirectory = `/run/user/${uid}`;
  mkdirSync('/run/user', { recursive: true, mode: 0o755 });
  mkdirSync(runtimeDirectory, { recursive: true, mode: 0o700 });
  chownSync(runtimeDirectory, uid, gid);
  return { name, uid, gid, home: `/home/${name}`, runtimeDirectory, subids };
}

/** Removes the user with all that is his; no error when there is none. */
export function removeUser(name: string): void {
  let uid: string;
  try {
    uid = execFileSync('id', ['-u', name], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return;
  }
  execFileSync('userdel', ['-r', '-f', name], { stdio: 'ignore' });
  for (const file of ['/etc/subuid', '/etc/subgid']) withoutLines(file, name);
  rmSync(`/run/user/${uid}`, { recursive: true, force: true });
  rmSync(`/home/${name}`, { recursive: true, force: true });
}

/** The command in front of another one that makes it run as `user`, with the groups and no capability of his. */
export function asUser(user: TestUser): string[] {
  const environment = [`HOME=${user.home}`, `USER=${user.name}`, `XDG_RUNTIME_DIR=${user.runtimeDirectory}`];
  const setpriv = findProgram('setpriv') ?? 'setpriv';
  const ids = ['--reuid', String(user.uid), '--regid', String(user.gid), '--init-groups'];
  return [setpriv, ...ids, '--inh-caps=-all', 'env', '-u', 'XDG_DATA_HOME', ...environment];
}

let readable: string | undefined;

/** The top of the checkout as `user` can read it: the checkout itself, or a copy when it lies in a closed directory. */
export function checkoutFor(user: TestUser): string {
  if (readable !== undefined) return readable;
  const [command, ...args] = asUser(user);
  try {
    execFileSync(command ?? '', [...args, 'test', '-r', join(REPO, 'package.json')], { stdio: 'ignore' });
    return (readable = REPO);
  } catch {
    const copy = join(makeDirectory(), 'checkout');
    for (const path of ['package.json', 'tsconfig.json', 'lib', 'test', 'build', 'node_modules']) {
      if (existsSync(join(REPO, path)))
        cpSync(join(REPO, path), join(copy, path), { recursive: true, verbatimSymlinks: true });
    }
    execFileSync('chmod', ['-R', 'a+rX', join(copy, '..')]);
    process.on('exit', () => rmSync(join(copy, '..'), { recursive: true, force: true }));
    return (readable = copy);
  }
}

const prepared = new Set<string>();

/** What a user may not keep in the cache of what is compiled, he would compile each time anew. */
function prepare(checkout: string, script: string): void {
  const path = join(checkout, `${script}.ts`);
  if (!__filename.endsWith('.ts') || prepared.has(path)) return;
  prepared.add(path);
  const program = `require(process.argv[1]).prepare(process.argv[2])`;
  execFileSync(process.execPath, ['-e', program, join(checkout, 'test/support/hook.cjs'), path]);
}

/** The command line that runs a script of ours (path from the top, without extension) as `user`. */
export function nodeAsUser(user: TestUser, script: string, args: readonly string[]): [string, string[]] {
  const checkout = checkoutFor(user);
  prepare(checkout, script);
  const [command, ...front] = asUser(user);
  const node = nodeArguments(script).map((argument) => argument.replace(REPO, checkout));
  return [command ?? '', [...front, process.execPath, ...node, ...args]];
}

/** Runs a script of ours as `user` to its end. */
export function runAsUser(
  user: TestUser,
  script: string,
  args: readonly string[],
  input?: string,
): Promise<Ended> {
  const [command, all] = nodeAsUser(user, script, args);
  return runProgram(command, all, { cwd: '/', ...(input === undefined ? {} : { input }) });
}
