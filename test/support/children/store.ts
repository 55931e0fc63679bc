// Works on a store as whoever runs it. Argument: JSON of Task. Prints one line of JSON for each step.
import { userInfo } from 'node:os';
import { VainaError } from '../../../lib/errors.js';
import { rootlessMaps } from '../../../lib/lifecycle/subids.js';
import { native } from '../../../lib/native/index.js';
import { Store } from '../../../lib/store/store.js';
import { importArchive } from '../import-archive.js';

export interface Task {
  root: string;
  runroot: string;
  /** Archives to import, one after another. */
  archives: string[];
  /** Delete the images again. */
  remove?: boolean;
  /** Say `ready` and import the last archive over and over, to be killed at any moment. */
  churn?: boolean;
  /** As if /etc/subuid had no range. */
  singleId?: boolean;
}

async function main(): Promise<void> {
  const task = JSON.parse(process.argv[2] ?? '{}') as Task;
  const user = userInfo();
  const say = (what: object): void => void process.stdout.write(`${JSON.stringify(what)}\n`);
  const maps = user.uid === 0 ? undefined : rootlessMaps(user);
  if (maps && task.singleId) {
    delete maps.uidHelper;
    delete maps.gidHelper;
    maps.uidMap = maps.uidMap.slice(0, 1);
    maps.gidMap = maps.gidMap.slice(0, 1);
  }
  const { root, runroot } = task;
  const store = await Store.open({ root, runroot, native: native(), ...(maps ? { maps } : {}) });
  const ids: string[] = [];
  const importOne = async (archive: string): Promise<void> => {
    const image = await importArchive(store, archive);
    ids.push(image.id);
    say({
      id: image.id,
      trees: store.layers.lowerDirectories(image.id),
      users: store.images.userFiles(image.id),
    });
  };
  try {
    for (const archive of task.archives) await importOne(archive);
    if (task.churn) {
      say({ ready: true });
      for (;;) {
        await importOne(task.archives.at(-1) ?? '');
        await store.deleteImage(ids.at(-1) ?? '').catch(() => undefined);
      }
    }
    if (task.remove) for (const id of new Set(ids)) await store.deleteImage(id);
    await store.close();
  } catch (error) {
    say({
      error: VainaError.is(error) ? error.code : String(error),
      message: String((error as Error).message),
    });
    await store.close();
  }
}

void main();
