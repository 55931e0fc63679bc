// Limits, and how a container says that it hit one.
import { Engine } from 'vaina';

export async function main(image: string): Promise<void> {
  await using engine = await Engine.open();
  const hungry = ['sh', '-c', 'x=0123456789; while true; do x=$x$x; done'];
  const result = await engine.run(image, hungry, {
    memory: '32m',
    memorySwap: '32m',
    cpus: 0.5,
    pidsLimit: 64,
  });
  console.log(result.oomKilled, result.exitCode); // true 137
  console.log(`${Math.round(result.peakMemory / 1024 / 1024)} MiB at most`);
}
