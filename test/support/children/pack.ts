// Packs as whoever runs it. Argument: JSON of Task. Prints one line of JSON.
import { userInfo } from 'node:os';
import { join, relative } from 'node:path';
import { Engine } from '../../../lib/index.js';
import type { Context } from '../../../lib/lifecycle/context.js';
import { packChanges } from '../../../lib/lifecycle/pack-changes.js';
import { rootlessMaps } from '../../../lib/lifecycle/subids.js';
import { native } from '../../../lib/native/index.js';
import type { PackedLayer } from '../../../lib/store/pack-layer.js';
import { Store } from '../../../lib/store/store.js';
import { firstDifference } from '../../../lib/store/tree-difference.js';
import { importArchive } from '../import-archive.js';

export interface Task {
  root: string;
  runroot: string;
  /** An archive of a layer that is unpacked, packed, unpacked again. */
  layer: string;
  /** An archive of a root file system with busybox. */
  base: string;
}

export interface Answer {
  /** What differs between both trees. */
  difference?: string;
  /** Layers of both, which must be the same. */
  packed: (PackedLayer | undefined)[];
  /** What a container has changed that does nothing. */
  idle?: PackedLayer;
  /** What one has changed that makes files. */
  busy?: PackedLayer;
  /** The blob of that. */
  blob?: string;
}

/** As whoever runs it: unpack, pack, unpack, and containers that change nothing or something. */
export async function packAll(task: Task): Promise<Answer> {
  const { root, runroot } = task;
  const user = userInfo();
  const maps = user.uid === 0 ? {} : { maps: rootlessMaps(user) };
  await using store = await Store.open({ root, runroot, native: native(), ...maps });
  const treeOf = async (archive: string): Promise<string> => {
    const image = await importArchive(store, archive);
    return store.layers.lowerDirectories(image.id)[0] ?? '';
  };
  const first = await treeOf(task.layer);
  await using _lock = await store.hold();
  const one = await store.packLayer(first);
  const second = one && (await treeOf(store.content.pathOf(one.descriptor.digest)));
  const difference =
    second &&
    (await store.worker((worker) => firstDifference(worker, relative(root, first), relative(root, second))));
  const packed = [one, second === undefined ? undefined : await store.packLayer(second)];

  const engine = await Engine.open({ root, runroot });
  const run = async (command: string[]): Promise<PackedLayer | undefined> => {
    const container = await engine.containers.run('localhost/base:1', { command, tmpfs: ['/deep/er/mount'] });
    const { exitCode } = await container.wait();
    if (exitCode !== 0) throw new Error(`${command.join(' ')} ended with ${exitCode}`);
    const context = { store, root, runroot, specs: new Map() } as unknown as Context;
    const layer = await packChanges(context, container.id);
    await container.remove();
    return layer;
  };
  try {
    await engine.images.import(task.base, { reference: 'localhost/base:1', changes: ['ENV PATH=/bin'] });
    const idle = await run(['true']);
    const busy = await run([
      'sh',
      '-c',
      'rm /etc/group; rm -r /home; mkdir /home; echo new >/home/file; chown 1000:50 /home/file; mkdir -p /deep/er/too; touch -d @0 /home/file',
    ]);
    return {
      ...(difference === undefined ? {} : { difference }),
      packed,
      ...(idle ? { idle } : {}),
      ...(busy ? { busy, blob: join(store.content.pathOf(busy.descriptor.digest)) } : {}),
    };
  } finally {
    await engine.close();
  }
}

if (require.main === module) {
  void packAll(JSON.parse(process.argv[2] ?? '{}') as Task).then((answer) => {
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  });
}
