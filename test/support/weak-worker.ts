import { execFileSync, spawn } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { native } from '../../lib/native/index.js';
import type { Native } from '../../lib/native/types.js';

/**
 * The storage worker built without its guard against links that lead out, as a program of its own: what shows that
 * tests of that guard can fail.
 *
 * @param directory - where the program goes
 * @param source - csrc
 */
export function weakNative(directory: string, source: string): Native {
  const main = join(directory, 'main.cc');
  // By its path: a directory of includes that has a sys/ would hide the system's.
  writeFileSync(
    main,
    `#include "${source}/store/storage.h"\nint main() { return vaina::serve_storage(0, 1); }\n`,
  );
  const store = readdirSync(join(source, 'store')).filter((name) => name.endsWith('.cc'));
  const program = join(directory, 'weak-worker');
  execFileSync('g++', [
    ...['-std=gnu++17', '-O1', '-D_GNU_SOURCE', '-DVAINA_WEAKEN_RESOLVE', '-fno-exceptions', '-fno-rtti'],
    ...[
      main,
      ...['directory', 'io', 'mount', 'remove_tree'].map((name) => join(source, 'sys', `${name}.cc`)),
      ...store.map((name) => join(source, 'store', name)),
    ],
    ...['-o', program],
  ]);
  const real = native();
  const running = new Set<number>();
  const weak: Partial<Native> = {
    launch(_plan, [stdin, stdout]) {
      // What the monitor would hold open until its end.
      const [control = -1, held = -1] = real.pipes(1);
      const child = spawn(program, { stdio: [stdin, stdout, 'inherit', held] });
      real.close(held);
      const pid = child.pid ?? -1;
      running.add(pid);
      child.on('exit', () => running.delete(pid));
      return { pid, fd: control };
    },
    reap: (pid) => !running.has(pid),
  };
  return Object.assign(Object.create(real) as Native, weak);
}
