// Streams in and out: feed a running program, read its output while it comes.
import { Engine } from 'vaina';

export async function main(image: string): Promise<void> {
  await using engine = await Engine.open();
  await using container = await engine.containers.create(image, { command: ['sort', '-r'], stdin: true });
  const program = await container.start({ stdio: ['pipe', 'pipe', 'pipe'] });
  program.stdin?.end('one\ntwo\nthree\n');
  for await (const chunk of program.stdout ?? []) process.stdout.write(chunk as Buffer);
  console.log((await program.wait()).exitCode);
}
