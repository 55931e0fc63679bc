import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { get } from 'node:http';
import { get as getByTls } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from './programs.js';
import { findProgram } from './requires.js';

/** A real registry on loopback, Debian's docker-registry. */
export interface RunningRegistry {
  /** `127.0.0.1:port`, or `localhost:port` with TLS. */
  readonly host: string;
  /** With TLS: a certDir with the authority. */
  readonly certDir?: string;
  /** Where the registry keeps its blobs. */
  readonly storage: string;
  /** What it has logged so far. */
  log(): string;
  /** The log with all that was answered so far: a registry answers before it writes its log. */
  wholeLog(): Promise<string>;
  stop(): Promise<void>;
}

/** How to start a registry. */
export interface RegistryStart {
  tls?: boolean;
  users?: readonly { username: string; password: string }[];
}

/** The program of {@link startRegistry}; undefined where it is not installed. */
export function findRegistry(): string | undefined {
  return findProgram('docker-registry');
}

/** Starts a registry with an empty store on a free port, and waits until it answers. */
export async function startRegistry(options: RegistryStart = {}): Promise<RunningRegistry> {
  const directory = mkdtempSync(join(tmpdir(), 'vaina-registry-'));
  const storage = join(directory, 'storage');
  const port = await freePort();
  const address = `127.0.0.1:${port}`;
  const certificates = options.tls === true ? makeCertificates(directory) : undefined;
  const config: Record<string, unknown> = {
    version: '0.1',
    log: { level: 'info', accesslog: { disabled: false } },
    storage: { filesystem: { rootdirectory: storage }, delete: { enabled: true } },
    http: {
      addr: address,
      ...(certificates && { tls: { certificate: certificates.cert, key: certificates.key } }),
    },
  };
  if (options.users) {
    const path = join(directory, 'htpasswd');
    writeFileSync(
      path,
      options.users.map(({ username, password }) => `${username}:${bcrypt(password)}\n`).join(''),
    );
    config['auth'] = { htpasswd: { realm: 'test', path } };
  }
  // JSON is YAML.
  writeFileSync(join(directory, 'config.yml'), JSON.stringify(config));
  const program = findRegistry();
  if (program === undefined) throw new Error('docker-registry is not installed');
  const child = spawn(program, ['serve', join(directory, 'config.yml')], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let log = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (log += chunk.toString()));
  const stop = async (): Promise<void> => {
    await end(child);
    rmSync(directory, { recursive: true, force: true });
  };
  const host = certificates ? `localhost:${port}` : address;
  let marks = 0;
  const wholeLog = async (): Promise<string> => {
    const path = `/v2/?mark=${++marks}`;
    const request = certificates
      ? getByTls(`https://${host}${path}`, { agent: false, rejectUnauthorized: false })
      : get(`http://${host}${path}`, { agent: false });
    const [response] = (await once(request, 'response')) as [{ resume(): void }];
    response.resume();
    await until(`${path} is in the log`, () => log.includes(`"GET ${path} `));
    return log;
  };
  try {
    await answers(address, child);
  } catch (error) {
    await stop();
    throw new Error(`docker-registry did not start: ${log}`, { cause: error });
  }
  return {
    host,
    ...(certificates && { certDir: certificates.certDir }),
    storage,
    log: () => log,
    wholeLog,
    stop,
  };
}

/** An authority of its own and a certificate of it for localhost and 127.0.0.1. */
export function makeCertificates(
  directory: string,
  days = 2,
): { certDir: string; cert: string; key: string } {
  const certDir = join(directory, 'certs.d');
  mkdirSync(certDir, { recursive: true });
  const at = (name: string): string => join(directory, name);
  const openssl = (...args: string[]): void => void execFileSync('openssl', args, { stdio: 'pipe' });
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  const ca = join(certDir, 'ca.crt');
  openssl(
    'req',
    '-x509',
    ...newKey,
    '-keyout',
    at('ca.key'),
    '-out',
    ca,
    '-days',
    '2',
    '-subj',
    '/CN=test authority',
  );
  openssl('req', ...newKey, '-keyout', at('server.key'), '-out', at('server.csr'), '-subj', '/CN=localhost');
  writeFileSync(at('server.ext'), 'subjectAltName=DNS:localhost,IP:127.0.0.1\n');
  const signing = [
    '-CA',
    ca,
    '-CAkey',
    at('ca.key'),
    '-CAcreateserial',
    '-days',
    String(days),
    '-extfile',
    at('server.ext'),
  ];
  openssl('x509', '-req', '-in', at('server.csr'), '-out', at('server.crt'), ...signing);
  return { certDir, cert: at('server.crt'), key: at('server.key') };
}

/** A TCP port of the loopback that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** The blobs that a registry has on disk: what must not change when a pull fails. */
export function registryBlob(registry: RunningRegistry, digest: string): Buffer {
  const [algorithm = '', hex = ''] = digest.split(':');
  const path = join(registry.storage, 'docker/registry/v2/blobs', algorithm, hex.slice(0, 2), hex, 'data');
  return readFileSync(path);
}

/** Debian has the C library's bcrypt behind crypt(3), which perl can call. */
function bcrypt(password: string): string {
  const salt = '$2y$05$abcdefghijklmnopqrstuu';
  const hash = execFileSync('perl', ['-e', 'print crypt($ARGV[0], $ARGV[1])', password, salt], {
    encoding: 'utf8',
  });
  if (!hash.startsWith('$2y$')) throw new Error('crypt(3) has no bcrypt here');
  return hash;
}

async function answers(address: string, child: ChildProcess): Promise<void> {
  const deadline = Date.now() + 15_000;
  for (;;) {
    if (child.exitCode !== null) throw new Error(`it ended with status ${child.exitCode}`);
    try {
      // A server with TLS answers plain HTTP with 400, which will do.
      const [response] = (await once(get(`http://${address}/v2/`), 'response')) as [{ resume(): void }];
      response.resume();
      return;
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await sleep(30);
    }
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}
