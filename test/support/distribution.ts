import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { until } from './programs.js';

/** Debian's docker-registry on a port of its own on loopback. */
export interface Distribution {
  /** `127.0.0.1:PORT`. */
  host: string;
  stop(): Promise<void>;
}

function freePort(): Promise<number> {
  return new Promise((done, fail) => {
    const server = createServer();
    server.on('error', fail);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => done(port));
    });
  });
}

/** Starts it with its data below `directory`; settles when it answers. */
export async function startDistribution(directory: string): Promise<Distribution> {
  const host = `127.0.0.1:${await freePort()}`;
  const data = join(directory, 'registry');
  mkdirSync(data, { recursive: true });
  const configuration = {
    version: 0.1,
    log: { level: 'error' },
    storage: { filesystem: { rootdirectory: data } },
    http: { addr: host },
  };
  const file = join(directory, 'registry.yml');
  // JSON is YAML.
  writeFileSync(file, JSON.stringify(configuration));
  const child: ChildProcess = spawn('docker-registry', ['serve', file], { stdio: 'ignore' });
  await until(
    'the registry answers',
    () =>
      fetch(`http://${host}/v2/`).then(
        (answer) => answer.ok,
        () => false,
      ),
    15_000,
  );
  return {
    host,
    stop: () =>
      new Promise((done) => {
        child.once('exit', () => done());
        child.kill('SIGKILL');
      }),
  };
}
