import { cpus, release } from 'node:os';
import { median, quantile } from './statistics.js';

/** One thing that was measured, and what it may be at most. */
export interface Row {
  name: string;
  unit: 'ms' | 's' | 'kB' | 'MB';
  median: number;
  p90: number;
  samples: number;
  /** The most that it may be, in `unit`, and why. */
  bar?: number;
  barIs?: string;
  /** median / bar */
  ratio?: number;
  passes?: boolean;
}

/** What was measured in one run. */
export class Report {
  readonly #rows: Row[] = [];

  /** Adds a row, and returns its median. */
  add(name: string, unit: Row['unit'], values: readonly number[], bar?: number, barIs?: string): number {
    const row: Row = {
      name,
      unit,
      median: median(values),
      p90: quantile(values, 0.9),
      samples: values.length,
    };
    if (bar !== undefined && barIs !== undefined) {
      Object.assign(row, { bar, barIs, ratio: row.median / bar, passes: row.median <= bar });
    }
    this.#rows.push(row);
    return row.median;
  }

  /** Whether a bar was not met. */
  get failed(): boolean {
    return this.#rows.some((row) => row.passes === false);
  }

  /** Writes all rows, as JSON or as a table. */
  print(json: boolean, samples: number): void {
    const machine = `${cpus()[0]?.model ?? 'unknown'}, ${cpus().length} processors, Linux ${release()}, Node.js ${process.version}`;
    if (json) {
      process.stdout.write(`${JSON.stringify({ machine, samples, rows: this.#rows }, null, 2)}\n`);
      return;
    }
    const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |\n`;
    process.stdout.write(`${machine}; medians\n\n`);
    process.stdout.write(line(['what', 'median', 'p90', 'n', 'bar', 'of the bar', '']));
    process.stdout.write(line(['---', '---:', '---:', '---:', '---', '---:', '---']));
    for (const row of this.#rows) {
      const number = (value: number): string => `${value.toFixed(value < 10 ? 2 : 0)} ${row.unit}`;
      process.stdout.write(
        line([
          row.name,
          number(row.median),
          number(row.p90),
          String(row.samples),
          row.bar === undefined ? '' : `${number(row.bar)} (${row.barIs})`,
          row.ratio === undefined ? '' : row.ratio.toFixed(2),
          row.passes === undefined ? '' : row.passes ? 'yes' : 'NO',
        ]),
      );
    }
  }
}
