// Unpacks the layer corpus as whoever runs it. Argument: JSON of Task. Prints one line of JSON: what came of each case.
import { userInfo } from 'node:os';
import { rootlessMaps } from '../../../lib/lifecycle/subids.js';
import { native } from '../../../lib/native/index.js';
import type { Places } from '../layer-corpus.js';
import { unpackCorpus } from '../unpack-corpus.js';

interface Task {
  root: string;
  places: Places;
}

async function main(): Promise<void> {
  const task = JSON.parse(process.argv[2] ?? '{}') as Task;
  const user = userInfo();
  const results = await unpackCorpus(
    native(),
    task.root,
    user.uid === 0 ? undefined : rootlessMaps(user),
    task.places,
  );
  process.stdout.write(`${JSON.stringify(results)}\n`);
}

void main();
