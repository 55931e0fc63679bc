// A registry in your own process, over the store: it gives out the images that are there, and takes new ones.
import { Engine } from 'vaina';

export async function main(image: string): Promise<void> {
  await using engine = await Engine.open();
  // `createServer(engine.registry().handler)` does the same with a server of your own.
  const registry = engine.registry({ images: true, adopt: 'localhost' });
  await using server = await registry.listen();

  const { repositories } = await ask<{ repositories: string[] }>('_catalog');
  console.log(repositories); // [ 'busybox' ]

  // Any client can push; what it pushed can be run.
  const repository = repositories[0] ?? image;
  const manifest = await fetch(`${server.url}/v2/${repository}/manifests/latest`);
  const pushed = await fetch(`${server.url}/v2/${repository}/manifests/pushed`, {
    method: 'PUT',
    headers: { 'Content-Type': manifest.headers.get('content-type') ?? '' },
    body: await manifest.arrayBuffer(),
  });
  console.log(pushed.status, (await ask<{ tags: string[] }>(`${repository}/tags/list`)).tags);
  const { stdout } = await engine.run(`localhost/${repository}:pushed`, ['echo', 'from a push']);
  console.log(stdout);

  async function ask<T>(path: string): Promise<T> {
    return (await (await fetch(`${server.url}/v2/${path}`)).json()) as T;
  }
}
