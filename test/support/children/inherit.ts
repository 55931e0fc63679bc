// Has extra open descriptors that are not close-on-exec; shows which ones a container and an exec see.
// Argument: JSON of Task. Prints the probe's lines about descriptors: of a run, then of an exec.
import { existsSync } from 'node:fs';
import { Engine } from '../../../lib/index.js';

interface Task {
  root: string;
  runroot: string;
  image: string;
  init: boolean;
  /** A library that leaks descriptors as it is loaded. */
  leak: string;
}

async function main(): Promise<void> {
  const task = JSON.parse(process.argv[2] ?? '{}') as Task;
  // Node makes what it inherited close-on-exec, so a library has to open them later. This one is no addon.
  try {
    process.dlopen({ exports: {} }, task.leak);
  } catch {
    if (!existsSync('/proc/self/fd/20')) throw new Error('nothing was leaked');
  }
  const engine = await Engine.open({ root: task.root, runroot: task.runroot });
  const descriptors = (output: string | Buffer): string[] =>
    String(output)
      .split('\n')
      .filter((line) => line.startsWith('fd\t'))
      .map((line) => line.split('\t')[1] ?? '');
  const run = await engine.run(task.image, ['/probe'], { init: task.init });
  const container = await engine.containers.run(task.image, { command: ['sleep', '1000'], init: task.init });
  const exec = await container.exec(['/probe']);
  const main = await container.exec([
    'sh',
    '-c',
    'for p in /proc/[0-9]*; do grep -q sleep $p/comm && ls $p/fd; done',
  ]);
  await container.remove({ force: true, timeout: 0 });
  await engine.close();
  const result = {
    run: descriptors(run.stdout),
    exec: descriptors(exec.stdout),
    main: String(main.stdout).trim().split('\n'),
  };
  process.stdout.write(`${JSON.stringify(result)}\n`);
}

void main();
