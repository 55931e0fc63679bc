import type { ExitRecord } from '../native/messages.js';
import { signalName } from '../util/signals.js';
import type { ExitStatus } from './records.js';

/** The monitor's exit record in the words of the interface. */
export function exitStatus(record: ExitRecord): ExitStatus {
  return {
    exitCode: record.exitCode,
    signal: record.signal === 0 ? null : signalName(record.signal),
    oomKilled: record.oomKilled,
    startedAt: fromNanoseconds(record.startedAt),
    finishedAt: fromNanoseconds(record.finishedAt),
    peakMemory: record.peakMemory,
    cpuTime: record.cpuTime,
  };
}

function fromNanoseconds(time: bigint): Date {
  return new Date(Number(time / 1_000_000n));
}
