import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { expect } from 'chai';

/** What an engine can leave behind on a host, each thing as one line of text. */
export interface Census {
  mounts: string[];
  cgroups: string[];
  processes: string[];
  runEntries: string[];
  storeEntries: string[];
}

/** Where to look beside the whole host; either may not exist (yet). */
export interface CensusScope {
  root?: string;
  runroot?: string;
}

function listDirectory(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

function linkTarget(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

/** Every cgroup directory with our name in its path. */
export function engineCgroups(): string[] {
  const found: string[] = [];
  const walk = (directory: string, ours: boolean): void => {
    for (const entry of readdirSync(directory, { withFileTypes: true })) {
      if (!entry.isDirectory()) continue;
      const path = `${directory}/${entry.name}`;
      const inside = ours || entry.name.includes('vaina');
      // The engine's own directories may stay: only what else is below them belongs to a container.
      if (ours && entry.name !== 'monitors') found.push(path);
      try {
        walk(path, inside);
      } catch {
        // It was removed while we looked.
      }
    }
  };
  if (existsSync('/sys/fs/cgroup')) walk('/sys/fs/cgroup', false);
  return found.sort();
}

/** Whether the process is one of our monitors: by the program it runs, which lives in a sealed memfd. */
export function isMonitor(pid: string): boolean {
  const exe = linkTarget(`/proc/${pid}/exe`);
  return /vaina|^\/memfd:monitor/.test(exe) || /^vaina/.test(readText(`/proc/${pid}/comm`));
}

/** Whether it descends from another part of the tests, which runs beside this one. */
function isBeside(pid: string): boolean {
  for (let at = pid; at !== '' && at !== '1' && at !== '0';) {
    const parent = /^PPid:\t(\d+)$/m.exec(readText(`/proc/${at}/status`))?.[1] ?? '';
    if (parent === String(process.ppid)) return at !== String(process.pid);
    at = parent;
  }
  return false;
}

function engineProcesses(): string[] {
  const found: string[] = [];
  for (const pid of readdirSync('/proc')) {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) continue;
    const stat = readText(`/proc/${pid}/stat`);
    const state = stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3);
    if (stat === '' || state === 'Z' || state === 'X') continue;
    const inCgroup = /vaina[^\n]*\/[0-9a-f]{64}/.test(readText(`/proc/${pid}/cgroup`));
    if ((!inCgroup && !isMonitor(pid)) || isBeside(pid)) continue;
    const command = readText(`/proc/${pid}/cmdline`).split('\0').join(' ').trim();
    found.push(`${pid} ${readText(`/proc/${pid}/comm`).trim()} ${command}`);
  }
  return found.sort();
}

/** Pids of the monitors that run now. */
export function monitorPids(): number[] {
  return readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid) && isMonitor(pid))
    .map(Number);
}

/** Counts what is there now. */
export function takeCensus(scope: CensusScope = {}): Census {
  const mounts = readText('/proc/self/mountinfo')
    .split('\n')
    .filter((line) => line !== '')
    // Without the mount and parent ids, which say nothing across two looks.
    .map((line) => line.split(' ').slice(2).join(' '));
  return {
    mounts: mounts.sort(),
    cgroups: engineCgroups(),
    processes: engineProcesses(),
    runEntries: scope.runroot === undefined ? [] : listDirectory(`${scope.runroot}/containers`).sort(),
    storeEntries: scope.root === undefined ? [] : listDirectory(`${scope.root}/containers`).sort(),
  };
}

/** What `now` has and `then` had not, kind by kind. */
export function difference(then: Census, now: Census): string[] {
  const found: string[] = [];
  for (const kind of Object.keys(now) as (keyof Census)[]) {
    const known = new Set(then[kind]);
    for (const line of now[kind]) if (!known.has(line)) found.push(`${kind}: ${line}`);
  }
  return found;
}

/**
 * Waits until nothing is there that was not there in `then`.
 *
 * @param patience - milliseconds; then it fails with the list of what is left
 */
export async function expectNothingLeft(
  then: Census,
  scope: CensusScope = {},
  patience = 1000,
): Promise<void> {
  const deadline = performance.now() + patience;
  let left = difference(then, takeCensus(scope));
  while (left.length > 0 && performance.now() < deadline) {
    await new Promise((done) => setTimeout(done, 20));
    left = difference(then, takeCensus(scope));
  }
  expect(left, 'left behind').to.deep.equal([]);
}

/** Call in a `describe` before anything that starts an engine: its last hook fails when something is left behind. */
export function checkLeftovers(scope: () => CensusScope = () => ({})): void {
  let then: Census;
  before(() => {
    then = takeCensus(scope());
  });
  // Mocha runs hooks of one suite in the order of their definition, and those of an inner suite before ours.
  after(async () => {
    await expectNothingLeft(then, scope(), 2000);
  });
}
