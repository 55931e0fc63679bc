// `npm start`: the whole path on the spot. `npm start -- IMAGE` pulls an image and does the same with it.
import { mkdtempSync, mkdirSync, copyFileSync, rmSync, symlinkSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import tar from 'tar-fs';
import { Engine, type Image } from 'vaina';

/** A small image from Debian's busybox-static: no network needed. */
async function busyboxImage(engine: Engine): Promise<Image> {
  const folder = mkdtempSync(join(tmpdir(), 'vaina-quickstart-'));
  try {
    for (const name of ['bin', 'etc', 'proc', 'sys', 'dev', 'tmp']) mkdirSync(join(folder, name));
    copyFileSync('/bin/busybox', join(folder, 'bin/busybox'));
    for (const name of execFileSync('/bin/busybox', ['--list'], { encoding: 'utf8' }).trim().split('\n')) {
      if (name !== 'busybox') symlinkSync('busybox', join(folder, 'bin', name));
    }
    const packed = Readable.from(tar.pack(folder) as AsyncIterable<Buffer>);
    return await engine.images.import(packed, {
      reference: 'localhost/quickstart:latest',
      changes: ['CMD ["sh"]'],
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function main(): Promise<void> {
  await using engine = await Engine.open();
  const name = process.argv[2];
  const image = name === undefined ? await busyboxImage(engine) : await engine.images.pull(name);
  console.log(`image       ${image.names[0] ?? image.id}`);

  await using container = await engine.containers.create(image, {
    command: ['sh', '-c', 'echo "hello from process $$ on $(hostname)"; read line; echo "$line"; exit 3'],
    memory: '64m',
    stdin: true,
  });
  const program = await container.start({ stdio: ['pipe', 'pipe', 'pipe'] });
  program.stdout?.on('data', (chunk: Buffer) => process.stdout.write(`stdout      ${chunk.toString()}`));

  const { stdout } = await container.exec(['cat', '/proc/1/comm']);
  console.log(`exec        process 1 is ${String(stdout).trim()}`);
  program.stdin?.end('goodbye\n');

  const { exitCode, peakMemory } = await program.wait();
  console.log(`exit code   ${exitCode}`);
  console.log(`memory      ${(peakMemory / 1024 / 1024).toFixed(1)} MiB at most, of 64`);
  const stages = Object.entries(program.timings).map(
    ([stage, ms]) => `${stage} ${(ms as number).toFixed(2)}`,
  );
  console.log(`timings/ms  ${stages.join(', ')}`);
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
