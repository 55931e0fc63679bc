// A container that lives as long as this scope, and commands run in it.
import { Engine } from 'vaina';

export async function main(image: string): Promise<void> {
  await using engine = await Engine.open();
  await using container = await engine.containers.run(image, { command: ['sleep', '60'], init: true });
  const { stdout } = await container.exec(['sh', '-c', 'echo $GREETING; ls /proc/1/ns | wc -l'], {
    env: { GREETING: 'hello' },
  });
  console.log(stdout);
  const { exitCode } = await container.exec(['cat'], { input: 'stdin, to its end\n' });
  console.log(exitCode);
} // stopped and removed here
