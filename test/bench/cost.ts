import { spawnSync } from 'node:child_process';

/** What one run took. */
export interface Cost {
  /** Seconds from start to end. */
  wall: number;
  /** Seconds of processors, user and system, of the program and of all that it has waited for. */
  processor: number;
  /** MB of the largest of these processes. */
  memory: number;
  /** What the program itself had to tell. */
  output: string;
}

/** Runs a program, and asks the kernel (getrusage(2) of the children) what it took. */
const MEASURE = `
import json, resource, subprocess, sys, time
begin = time.monotonic()
done = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE)
wall = time.monotonic() - begin
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps({'wall': wall, 'processor': used.ru_utime + used.ru_stime, 'memory': used.ru_maxrss / 1024,
  'output': done.stdout.decode(), 'status': done.returncode}))
`;

/** Runs a program to its end. What was written before is on the disk when it starts. */
export function cost(command: string, args: readonly string[]): Cost {
  spawnSync('sync');
  const { stdout, stderr } = spawnSync('python3', ['-c', MEASURE, command, ...args], {
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  });
  const told = JSON.parse(stdout === '' ? '{"status":-1}' : stdout) as Cost & { status: number };
  if (told.status !== 0) throw new Error(`${command} ${args.join(' ')} failed: ${stderr}`);
  return told;
}
