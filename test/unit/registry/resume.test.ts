import { expect } from 'chai';
import { FakeRegistry, sendRange, type Fault } from '../../support/fake-registry.js';
import type { TestImage } from '../../support/images.js';
import { MemorySink } from '../../support/memory-sink.js';
import { failure } from '../../support/memory-source.js';
import { useFakeRegistry } from '../../support/fake-pull.js';

describe('registry source: resume', () => {
  const fake = useFakeRegistry();
  const { pull } = fake;
  let registry: FakeRegistry;
  let large: TestImage;
  beforeEach(() => {
    ({ registry, large } = fake);
  });

  let requests: number;
  let sent: number;

  /** Cuts the connection after each piece of the layer. */
  function cutting(piece: number, ranges = true): Fault {
    requests = 0;
    sent = 0;
    const { bytes, descriptor } = large.layers[0] as TestImage['layers'][0];
    return ({ url, headers }, response) => {
      if (!url.includes(descriptor.digest)) return false;
      requests++;
      const start = ranges ? Number(/^bytes=([0-9]+)-$/.exec(headers.range ?? '')?.[1] ?? 0) : 0;
      const rest = bytes.subarray(start);
      const length = ranges ? piece : piece * requests;
      sent += Math.min(length, rest.length);
      if (length >= rest.length) {
        sendRange(response, bytes, ranges ? headers.range : undefined);
        return true;
      }
      const partial = start > 0 || headers.range !== undefined;
      response.writeHead(ranges && partial ? 206 : 200, {
        'content-length': rest.length,
        ...(ranges && partial && { 'content-range': `bytes ${start}-${bytes.length - 1}/${bytes.length}` }),
      });
      response.write(rest.subarray(0, length), () => setTimeout(() => response.socket?.destroy(), 5));
      return true;
    };
  }

  beforeEach(() => registry.add([large], 'large'));

  it('goes on where the connection was cut, however often', async () => {
    registry.faults.push(cutting(128 * 1024));
    const { size } = large.layers[0]?.descriptor as { size: number };
    await pull({ name: 'test/image:large' });
    expect(requests).to.be.at.least(Math.ceil(size / (128 * 1024)));
    expect(sent).to.be.below(size * 1.2);
  });

  it('goes on after a cut at every tenth of a blob, and reads hardly anything twice', async () => {
    const { bytes, descriptor } = large.layers[0] as TestImage['layers'][0];
    const cuts = Array.from({ length: 9 }, (_, i) => Math.floor((bytes.length * (i + 1)) / 10));
    let read = 0;
    registry.faults.push(({ url, headers }, response) => {
      if (!url.includes(descriptor.digest)) return false;
      const start = Number(/^bytes=([0-9]+)-$/.exec(headers.range ?? '')?.[1] ?? 0);
      const end = cuts.shift() ?? bytes.length;
      read += end - start;
      response.writeHead(start > 0 ? 206 : 200, {
        'content-length': bytes.length - start,
        ...(start > 0 && { 'content-range': `bytes ${start}-${bytes.length - 1}/${bytes.length}` }),
      });
      response.write(bytes.subarray(start, end), () => {
        if (end < bytes.length) setTimeout(() => response.socket?.destroy(), 5);
        else response.end();
      });
      return true;
    });
    const sink = new MemorySink();
    await pull({ name: 'test/image:large', sink });
    expect(sink.blobs.get(descriptor.digest)?.equals(bytes)).to.equal(true);
    expect(read).to.be.below(bytes.length * 1.2);
  });

  it('begins again with a registry that does not do ranges', async () => {
    registry.faults.push(cutting(512 * 1024, false));
    await pull({ name: 'test/image:large' });
    expect(requests).to.be.at.least(6);
  });

  it('gives up when there is no progress', async () => {
    registry.faults.push(cutting(100));
    const error = await failure(pull({ name: 'test/image:large' }));
    expect(error.code).to.be.oneOf(['ERR_REGISTRY', 'ERR_REGISTRY_UNREACHABLE']);
    expect(requests).to.equal(3);
  });

  it('refuses another range than the one it asked for', async () => {
    const { bytes, descriptor } = large.layers[0] as TestImage['layers'][0];
    const ranges = [
      `bytes 0-${bytes.length - 1}/${bytes.length}`,
      'bytes 5-10/11',
      'nonsense',
      `bytes 262144-300000/999`,
    ];
    for (const range of ranges) {
      const cut = cutting(256 * 1024);
      registry.faults.splice(0, 1, (seen, response) => {
        if (!seen.url.includes(descriptor.digest) || seen.headers.range === undefined)
          return cut(seen, response);
        response.writeHead(206, { 'content-range': range }).end(bytes.subarray(262144));
        return true;
      });
      const error = await failure(pull({ name: 'test/image:large' }));
      expect(error.code, range).to.equal('ERR_REGISTRY');
      expect(error.message).to.include('another range');
    }
  });

  it('hashes across the pieces', async () => {
    const cut = cutting(256 * 1024);
    const { bytes, descriptor } = large.layers[0] as TestImage['layers'][0];
    registry.faults.push((seen, response) => {
      if (!seen.url.includes(descriptor.digest) || seen.headers.range === undefined)
        return cut(seen, response);
      const wrong = Buffer.from(bytes);
      wrong[bytes.length - 5] = (wrong[bytes.length - 5] ?? 0) ^ 1;
      sendRange(response, wrong, seen.headers.range);
      return true;
    });
    expect((await failure(pull({ name: 'test/image:large' }))).code).to.equal('ERR_DIGEST_MISMATCH');
  });

  it('leaves no request behind when it is aborted in the middle', async () => {
    registry.faults.push(({ url }, response) => {
      if (!url.includes(large.layers[0]?.descriptor.digest ?? '')) return false;
      response.writeHead(200).write(Buffer.alloc(1000));
      return true;
    });
    const abort = new AbortController();
    setTimeout(() => abort.abort(new Error('enough')), 50);
    const begun = Date.now();
    const error: unknown = await pull({ name: 'test/image:large', signal: abort.signal }).catch(
      (e: unknown) => e,
    );
    expect(error).to.have.property('message', 'enough');
    expect(Date.now() - begun).to.be.below(1000);
  });
});
