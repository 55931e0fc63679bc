import { expect } from 'chai';
import * as fc from 'fast-check';
import { VainaError } from '../../../lib/errors.js';
import {
  encodeMessage,
  MessageParser,
  parseExited,
  parseExitRecord,
  parseFailed,
  parseStarted,
} from '../../../lib/native/messages.js';

const record = {
  exitCode: 137,
  signal: 9,
  oomKilled: true,
  startedAt: '1795464189075056419',
  finishedAt: '1795464189080748562',
  peakMemory: 2203648,
  cpuTime: 3847,
};

function internal(run: () => unknown): boolean {
  try {
    run();
  } catch (error) {
    return VainaError.is(error, 'ERR_INTERNAL');
  }
  return false;
}

describe('the messages of a monitor', () => {
  it('have the header of docs/plan.md', () => {
    const message = encodeMessage(5, 0x01020304, Uint8Array.of(0xaa));
    expect([...message]).to.deep.equal([13, 0, 0, 0, 5, 0, 0, 0, 4, 3, 2, 1, 0xaa]);
  });

  it('are cut from a stream however it is divided', () => {
    const message = fc.record({
      type: fc.integer({ min: 1, max: 0xffff }),
      tag: fc.integer({ min: 0, max: 0xffffffff }),
      body: fc.uint8Array({ maxLength: 50 }),
    });
    fc.assert(
      fc.property(
        fc.array(message),
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }),
        (sent, cuts) => {
          let rest = Buffer.concat(sent.map(({ type, tag, body }) => encodeMessage(type, tag, body)));
          const parser = new MessageParser();
          const received = [];
          for (let i = 0; rest.length > 0; i++) {
            const size = cuts[i % cuts.length] ?? 1;
            received.push(...parser.push(rest.subarray(0, size)));
            rest = rest.subarray(size);
          }
          expect(
            received.map(({ type, tag, body }) => ({ type, tag, body: Uint8Array.from(body) })),
          ).to.deep.equal(sent);
        },
      ),
    );
  });

  it('are refused when they cannot be any', () => {
    for (const bytes of [
      Buffer.alloc(12),
      Buffer.alloc(12, 0xff),
      encodeMessage(1, 1, Buffer.alloc(2_000_000)),
    ]) {
      expect(internal(() => new MessageParser().push(bytes))).to.equal(true);
    }
  });

  it('are understood: started and failed', () => {
    const body = Buffer.alloc(40);
    body.writeUInt32LE(3, 0);
    body.writeUInt32LE(4242, 4);
    [10n, 20n, 30n, 2n ** 62n].forEach((value, index) => body.writeBigUInt64LE(value, 8 + 8 * index));
    expect(parseStarted(body)).to.deep.equal({
      kind: 'started',
      target: 3,
      pid: 4242,
      timings: { main: 1e-5, host: 2e-5, clone: 3e-5, exec: 2 ** 62 / 1e6 },
    });
    const failed = Buffer.concat([
      Buffer.from([7, 0, 0, 0, 2, 0, 0, 0, 127, 0, 0, 0]),
      Buffer.from('exec é'),
    ]);
    expect(parseFailed(failed)).to.deep.equal({
      kind: 'failed',
      step: 7,
      errno: 2,
      exitCode: 127,
      text: 'exec é',
    });
    failed.fill(0xff, 0, 4);
    expect(parseFailed(failed).step).to.equal(undefined);
    expect(internal(() => parseStarted(body.subarray(1)))).to.equal(true);
    expect(internal(() => parseFailed(failed.subarray(0, 11)))).to.equal(true);
  });

  it('are understood: exited', () => {
    const body = Buffer.alloc(44);
    [137, 9, 1].forEach((value, index) => body.writeUInt32LE(value, 4 * index));
    [1795464189075056419n, 1795464189080748562n, 2n ** 40n, 5n].forEach((value, index) =>
      body.writeBigUInt64LE(value, 12 + 8 * index),
    );
    expect(parseExited(body)).to.deep.equal({
      exitCode: 137,
      signal: 9,
      oomKilled: true,
      startedAt: 1795464189075056419n,
      finishedAt: 1795464189080748562n,
      peakMemory: 2 ** 40,
      cpuTime: 5,
    });
    expect(internal(() => parseExited(body.subarray(1)))).to.equal(true);
  });

  it('carry an exit record, and nothing that only looks like one', () => {
    expect(parseExitRecord(Buffer.from(JSON.stringify(record)))).to.deep.equal({
      ...record,
      startedAt: 1795464189075056419n,
      finishedAt: 1795464189080748562n,
    });
    const wrong = [
      'x',
      'null',
      '[]',
      '{}',
      JSON.stringify({ ...record, exitCode: '1' }),
      JSON.stringify({ ...record, signal: -1 }),
      JSON.stringify({ ...record, startedAt: 5 }),
      JSON.stringify({ ...record, finishedAt: '1e3' }),
      JSON.stringify({ ...record, oomKilled: 1 }),
    ];
    for (const text of wrong)
      expect(
        internal(() => parseExitRecord(Buffer.from(text))),
        text,
      ).to.equal(true);
  });
});
