// A registry over a store, to be killed at any moment. Argument: JSON of Task. Prints its URL.
import { Engine } from '../../../lib/index.js';

interface Task {
  root: string;
  runroot: string;
}

async function main(): Promise<void> {
  const engine = await Engine.open(JSON.parse(process.argv[2] ?? '{}') as Task);
  const { url } = await engine.registry().listen();
  process.stdout.write(`${url}\n`);
}

void main();
