// A plan shows each system call of a start before it happens; timings show afterwards what it cost.
import { Engine, formatPlan } from 'vaina';

export async function main(image: string): Promise<void> {
  await using engine = await Engine.open();
  await using container = await engine.containers.create(image, { command: ['true'], memory: '64m' });
  console.log(formatPlan(await container.plan()));
  const program = await container.start();
  await program.wait();
  console.log(program.timings);
}
