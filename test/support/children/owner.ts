// Owns containers until it is killed. Argument: JSON of Task. Prints the ids, one line of JSON, when all of them run.
import { Engine } from '../../../lib/index.js';

interface Task {
  root: string;
  runroot: string;
  image: string;
  count: number;
  detach: boolean;
  /** End when the containers run, instead of staying with them. */
  leave?: boolean;
}

async function main(): Promise<void> {
  const task = JSON.parse(process.argv[2] ?? '{}') as Task;
  const engine = await Engine.open({ root: task.root, runroot: task.runroot });
  const containers = await Promise.all(
    Array.from({ length: task.count }, () =>
      // A child beside process 1, and a detached grandchild: all of them have to end.
      engine.containers.run(task.image, {
        command: ['sh', '-c', 'sleep 1000 & setsid sleep 1000 & exec sleep 1000'],
        detach: task.detach,
      }),
    ),
  );
  process.stdout.write(`${JSON.stringify(containers.map((container) => container.id))}\n`);
  if (task.leave === true) await engine.close();
  else setInterval(() => undefined, 1000);
}

void main();
