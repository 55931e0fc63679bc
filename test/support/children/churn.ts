// Creates, starts, execs into and removes containers without end, to be killed at any moment. Argument: JSON of Task.
import { Engine } from '../../../lib/index.js';

interface Task {
  root: string;
  runroot: string;
  image: string;
}

async function once(engine: Engine, image: string): Promise<void> {
  const container = await engine.containers.run(image, { command: ['sleep', '1000'] });
  await container.exec(['true']);
  await container.stop({ timeout: 0 });
  await container.remove();
  await engine.run(image, ['true']);
}

async function main(): Promise<void> {
  const task = JSON.parse(process.argv[2] ?? '{}') as Task;
  const engine = await Engine.open({ root: task.root, runroot: task.runroot });
  process.stdout.write('ready\n');
  const lane = async (): Promise<never> => {
    for (;;) await once(engine, task.image);
  };
  await Promise.all([lane(), lane(), lane()]);
}

void main();
