// Push: an image goes to a place with a transport (a registry would be docker://host/name:tag), and is pulled from there.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Engine } from 'vaina';

export async function main(name: string): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'vaina-example-'));
  await using engine = await Engine.open();
  const image = await engine.images.get(name);
  const { digest } = await image.push(`oci:${directory}/layout:example`, { compression: { format: 'gzip' } });
  const pulled = await engine.images.pull(`oci:${directory}/layout:example`);
  console.log(pulled.names.includes('localhost/example:latest'), pulled.id === image.id);
  console.log(digest);
  rmSync(directory, { recursive: true });
}
