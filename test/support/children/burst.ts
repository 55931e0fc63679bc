// Runs many one-shot containers at once. Argument: JSON of Task. Prints one line of JSON: what each one printed.
import { Engine } from '../../../lib/index.js';

interface Task {
  root: string;
  runroot: string;
  image: string;
  count: number;
  name: string;
}

async function main(): Promise<void> {
  const task = JSON.parse(process.argv[2] ?? '{}') as Task;
  const engine = await Engine.open({ root: task.root, runroot: task.runroot });
  const results = await Promise.all(
    Array.from({ length: task.count }, (_, i) =>
      engine
        .run(task.image, ['sh', '-c', `echo ${task.name} ${i}; exit ${i % 100}`])
        .then((result) => `${result.exitCode} ${String(result.stdout)}`)
        .catch((error: unknown) => `failed: ${String(error)}`),
    ),
  );
  await engine.close();
  process.stdout.write(`${JSON.stringify(results)}\n`);
}

void main();
