// What an ordinary user does with the engine. Arguments: the name of a task, then JSON of what it needs. Prints JSON.
import { chmodSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Engine, VainaError } from '../../../lib/index.js';

interface Task {
  root?: string;
  runroot?: string;
  archive?: string;
  pull?: string;
  rootfs?: string;
}

const IMAGE = 'localhost/busybox:user';

async function code(work: Promise<unknown>): Promise<string> {
  return work.then(
    (value) => `no error: ${JSON.stringify(value)}`,
    (error: unknown) =>
      VainaError.is(error) ? `${error.code} ${error.message} (${error.hint ?? 'no hint'})` : String(error),
  );
}

const TASKS: Record<string, (engine: Engine, task: Task) => Promise<unknown>> = {
  import: async (engine, task) => {
    const image = await engine.images.import(task.archive ?? '', {
      reference: IMAGE,
      changes: ['ENV PATH=/bin', 'CMD ["sh"]'],
    });
    return { id: image.id, root: engine.root, runroot: engine.runroot };
  },
  run: async (engine) => {
    const script =
      'id -u; id -G; cat /proc/self/uid_map; touch /made && stat -c %u:%g /made; hostname; echo err >&2; exit 7';
    const result = await engine.run(IMAGE, ['sh', '-c', script], { hostname: 'pod' });
    const alice = await engine
      .run(IMAGE, ['sh', '-c', 'id -u; touch /tmp/x && stat -c %u:%g /tmp/x'], { user: 'alice' })
      .catch((error: unknown) => ({ stdout: String(error) }));
    const input = await engine.run(IMAGE, ['cat'], { input: 'through' });
    const status = await engine.run(IMAGE, ['grep', '-E', '^(Cap|Seccomp:|NoNewPrivs)', '/proc/self/status']);
    const mounts = await engine.run(IMAGE, ['cat', '/proc/self/mountinfo']);
    return {
      ...result,
      alice: alice.stdout,
      input: input.stdout,
      status: status.stdout,
      mounts: mounts.stdout,
    };
  },
  exec: async (engine) => {
    const container = await engine.containers.run(IMAGE, {
      command: ['sleep', '1000'],
      name: 'user-container',
    });
    const exec = await container.exec(['sh', '-c', 'hostname; id -u; cat; exit 3'], { input: 'in' });
    const listed = (await engine.containers.list()).map((one) => one.name);
    await container.stop({ timeout: 0 });
    const status = await container.wait();
    await container.remove();
    return { exec, listed, exitCode: status.exitCode, left: await engine.containers.list({ all: true }) };
  },
  limits: async (engine) => ({
    memory: await code(engine.run(IMAGE, ['true'], { memory: '64m' })),
    cpus: await code(engine.run(IMAGE, ['true'], { cpus: 0.5 })),
    pids: await code(engine.run(IMAGE, ['true'], { pidsLimit: 10 })),
    none: await code(engine.run(IMAGE, ['true']).then((result) => result.exitCode)),
    left: await engine.containers.list({ all: true }),
  }),
  pull: async (engine, task) => {
    const image = await engine.images.pull(task.pull ?? '', { tlsVerify: false });
    const script =
      'cat /etc/debian_version; stat -c "%n %U:%G %a" /etc/shadow /usr/bin/passwd /tmp; ls /var/lib/dpkg/info | wc -l';
    const result = await engine.run(image, ['sh', '-c', script]);
    return { id: image.id, ...result };
  },
  rootfs: async (engine, task) => ({
    run: await code(engine.run(null, ['true'], { rootfs: task.rootfs ?? '' })),
    imported: await code(engine.images.import(task.archive ?? '', { reference: IMAGE })),
    left: await engine.containers.list({ all: true }),
    images: await engine.images.list(),
    doctor: await engine.doctor(),
  }),
  mend: async (engine, task) => {
    const image = await engine.images.pull(task.pull ?? '', { tlsVerify: false });
    const blobs = join(engine.root, 'images/blobs/sha256');
    const largest = readdirSync(blobs).sort(
      (a, b) => statSync(join(blobs, b)).size - statSync(join(blobs, a)).size,
    )[0];
    const blob = join(blobs, largest ?? '');
    const tree = join(engine.root, 'layers', readdirSync(join(engine.root, 'layers'))[0] ?? '', 'diff');
    const kinds = async (): Promise<string[]> =>
      (await engine.check({ trees: true })).map(({ kind }) => kind);
    const left: unknown[] = [];
    const harm = async (work: () => void): Promise<string[]> => {
      work();
      const found = await kinds();
      left.push((await engine.repair({ tlsVerify: false, trees: true })).left);
      return found;
    };
    const answer = {
      unharmed: await kinds(),
      blob: await harm(() => writeFileSync(blob, Buffer.alloc(statSync(blob).size))),
      tree: await harm(() => rmSync(join(tree, 'etc/passwd'))),
      owner: await harm(() => chmodSync(join(tree, 'etc/passwd'), 0o666)),
      left,
      trees: await kinds(),
    };
    rmSync(blob);
    const { removedImages } = await engine.repair({ force: true, fetch: async () => undefined });
    const forced = removedImages.filter((id) => id === image.id).length;
    return { ...answer, forced, images: await engine.images.list() };
  },
  doctor: async (engine) => ({ info: await engine.info(), doctor: await engine.doctor() }),
  clear: async (engine) => {
    for (const { id } of await engine.containers.list({ all: true }))
      await (await engine.containers.get(id)).remove({ force: true });
    for (const { id } of await engine.images.list())
      await (await engine.images.get(id)).remove({ force: true });
    return { images: await engine.images.list() };
  },
};

async function main(): Promise<void> {
  const [name = '', json = '{}'] = process.argv.slice(2);
  const task = JSON.parse(json) as Task;
  const options: { root?: string; runroot?: string } = {};
  if (task.root !== undefined) options.root = task.root;
  if (task.runroot !== undefined) options.runroot = task.runroot;
  const engine = await Engine.open(options);
  const work = TASKS[name];
  if (!work) throw new Error(`no task ${name}`);
  process.stdout.write(`${JSON.stringify(await work(engine, task))}\n`);
  await engine.close();
}

main().catch((error: unknown) => {
  process.stderr.write(`${VainaError.is(error) ? `${error.code} ` : ''}${String((error as Error).stack)}\n`);
  process.exitCode = 1;
});
