import { PassThrough } from 'node:stream';
import type { ContainerSummary, ImageSummary, StartOptions } from '../../../lib/index.js';
import type { Ended, LibraryProcess } from '../../../lib/cli/library.js';

/** The time at which all tests happen. */
export const NOW = new Date('2026-03-01T12:00:00Z');

/** A point in time before {@link NOW}. */
export const before = (seconds: number): Date => new Date(NOW.getTime() - seconds * 1000);

/** A row of a list of containers. */
export function containerRow(row: Partial<ContainerSummary> & { name: string }): ContainerSummary {
  return {
    id: row.name.repeat(64).slice(0, 64),
    image: 'docker.io/library/debian:13',
    imageId: 'f'.repeat(64),
    command: ['sleep', '1000'],
    created: before(60),
    status: 'created',
    pid: 0,
    labels: {},
    autoRemove: false,
    ...row,
  };
}

/** A row of a list of images. */
export function imageRow(row: Partial<ImageSummary> & { id: string }): ImageSummary {
  return {
    names: [],
    digest: `sha256:${'d'.repeat(64)}`,
    created: before(7200),
    size: 1_997_907,
    labels: {},
    containers: 0,
    dangling: false,
    ...row,
  };
}

/** A process that a fake container starts. */
export class FakeProcess implements LibraryProcess {
  readonly pid = 4321;
  readonly stdin: PassThrough | null;
  readonly stdout: PassThrough | null;
  readonly stderr: PassThrough | null;
  readonly ended: Promise<Ended>;
  end!: (ended: Ended) => void;

  constructor(
    private readonly calls: unknown[][],
    options: StartOptions = {},
  ) {
    const stream = (index: number): PassThrough | null =>
      options.stdio?.[index] === 'pipe' ? new PassThrough() : null;
    this.stdin = stream(0);
    this.stdout = stream(1);
    this.stderr = stream(2);
    this.ended = new Promise((done) => (this.end = done));
  }

  wait(): Promise<Ended> {
    return this.ended;
  }

  async kill(signal: string | number): Promise<void> {
    this.calls.push(['process.kill', signal]);
  }

  async resize(rows: number, columns: number): Promise<void> {
    this.calls.push(['process.resize', rows, columns]);
  }
}
