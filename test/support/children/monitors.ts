// Launches plans and stays with their monitors until it is killed. Arguments: a file with a JSON array of plans in which
// nothing is a bigint. Prints the pids of the containers as JSON, in one line, when all of them run.
import { readFileSync } from 'node:fs';
import { ControlChannel } from '../../../lib/native/control.js';
import { native } from '../../../lib/native/index.js';
import { encodePlan } from '../../../lib/spec/encode.js';
import type { Plan } from '../../../lib/spec/steps.js';

async function main(): Promise<void> {
  const plans = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as Plan[];
  const answers = await Promise.all(
    plans.map(async (plan) => {
      const { channel } = ControlChannel.launch(native(), encodePlan(plan), [-1, -1, -1]);
      return channel.container?.started;
    }),
  );
  const pids = answers.map((answer) => (answer?.kind === 'started' ? answer.pid : 0));
  process.stdout.write(`${JSON.stringify(pids)}\n`);
  setInterval(() => undefined, 1000);
}

void main();
