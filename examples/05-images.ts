// Images: bring one in from a root file system, name it, look at it, remove it.
import { Engine } from 'vaina';

export async function main(tar: string): Promise<void> {
  await using engine = await Engine.open();
  const image = await engine.images.import(tar, {
    reference: 'localhost/example:1',
    changes: ['CMD ["sh", "-c", "echo made by import"]', 'ENV COLOUR=green'],
  });
  await image.tag('localhost/example:latest');
  console.log((await image.inspect()).RepoTags);
  console.log((await engine.run(image, [])).stdout);
  await image.remove({ force: true });
}
