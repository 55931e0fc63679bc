// One shot: run a command in a fresh container of an image and get its output and exit code.
import { Engine } from 'vaina';

export async function main(image: string): Promise<void> {
  await using engine = await Engine.open();
  const result = await engine.run(image, ['sh', '-c', 'echo hello from $(hostname); exit 7'], {
    hostname: 'seed',
    memory: '64m',
  });
  console.log(result.stdout); // hello from seed
  console.log(result.exitCode, result.oomKilled); // 7 false
}
