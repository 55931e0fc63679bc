import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { expect } from 'chai';
import { DaemonClient } from '../../../lib/transports/daemon/client.js';
import { daemonSink } from '../../../lib/transports/daemon/sink.js';
import { parseImageName, type ImageName } from '../../../lib/transports/name.js';
import { failure } from '../../support/memory-source.js';

type DaemonName = ImageName & { transport: 'docker-daemon' };

describe('transports: a daemon on a socket', () => {
  let directory: string;
  let socket: string;
  let server: Server;
  let answer: (request: IncomingMessage, response: ServerResponse) => void;
  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'vaina-daemon-'));
    socket = join(directory, 'with space?.sock');
    server = createServer((request, response) => answer(request, response));
    await new Promise<void>((done) => server.listen(socket, done));
  });
  after(async () => {
    await new Promise((done) => server.close(done));
    rmSync(directory, { recursive: true });
  });
  const client = (): DaemonClient => new DaemonClient({ daemonHost: `unix://${socket}` });

  it('is asked, and is sent to', async () => {
    let got = '';
    answer = (request, response) => {
      expect(request.method).to.equal('POST');
      expect(request.url).to.equal('/images/load');
      request.on('data', (chunk: Buffer) => (got += chunk.toString()));
      request.on('end', () => response.end('done'));
    };
    const body = Readable.from([Buffer.from('one'), Buffer.from('two')]);
    const response = await client().ask({ method: 'POST', path: '/images/load', body });
    let said = '';
    for await (const chunk of response) said += (chunk as Buffer).toString();
    expect([got, said]).to.deep.equal(['onetwo', 'done']);
  });

  it('has what it says in the error, fit for a terminal', async () => {
    answer = (_request, response) => {
      response.statusCode = 404;
      response.end(JSON.stringify({ message: 'no such image: \u001b[31mx' }));
    };
    const missing = await failure(client().ask({ method: 'GET', path: '/images/x/get' }));
    expect(missing.code).to.equal('ERR_NO_SUCH_IMAGE');
    expect(missing.message).to.include('no such image: \\u001b[31mx');
    answer = (_request, response) => {
      response.statusCode = 500;
      response.end('plain');
    };
    const broken = await failure(client().ask({ method: 'GET', path: '/' }));
    expect(broken.code).to.equal('ERR_REGISTRY');
    expect(broken.message).to.include('answered with 500: plain');
    answer = (request) => request.destroy();
    expect((await failure(client().ask({ method: 'GET', path: '/' }))).code).to.equal(
      'ERR_REGISTRY_UNREACHABLE',
    );
  });

  it('is found by its option, DOCKER_HOST, or where docker has it', () => {
    expect(new DaemonClient({ env: {} }).host).to.equal('unix:///var/run/docker.sock');
    expect(new DaemonClient({ env: { DOCKER_HOST: 'tcp://h:2376' } }).host).to.equal('tcp://h:2376');
    for (const daemonHost of ['h', 'ftp://h', 'http://u@h', 'http://h/path', 'unix://relative', '']) {
      expect(() => new DaemonClient({ daemonHost }), daemonHost).to.throw('is not the place of a daemon');
    }
  });

  it('takes an image only under a name with a tag', () => {
    for (const name of [`busybox@sha256:${'a'.repeat(64)}`, `sha256:${'a'.repeat(64)}`]) {
      const parsed = parseImageName(`docker-daemon:${name}`) as DaemonName;
      expect(() => daemonSink(parsed), name).to.throw('a reference with a tag');
    }
  });

  it('stops when it is told to', async () => {
    const stop = new AbortController();
    answer = () => stop.abort(new Error('enough'));
    const asked = client().ask({ method: 'GET', path: '/', signal: stop.signal });
    const error: unknown = await asked.catch((thrown: unknown) => thrown);
    expect((error as Error).message).to.equal('enough');
  });
});
