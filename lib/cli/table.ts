/** Columns are at least this wide, as podman's. */
const MIN_WIDTH = 12;
/** Spaces between a cell and the next. */
const PADDING = 2;

/**
 * Aligns text whose cells end in a tab, by the rules of Go's text/tabwriter: a column is a run of lines that all have
 * that cell, and the text after a line's last tab belongs to no column.
 */
export function align(text: string): string {
  const lines = text.split('\n').map((line) => line.split('\t'));
  const widths = lines.map((cells) => new Array<number>(cells.length - 1).fill(0));
  const deepest = widths.reduce((most, row) => Math.max(most, row.length), 0);
  for (let column = 0; column < deepest; column++) {
    for (let start = 0; start < lines.length;) {
      let end = start;
      let width = MIN_WIDTH;
      while (end < lines.length && column < widths[end]!.length) {
        width = Math.max(width, length(lines[end]![column]!) + PADDING);
        end++;
      }
      for (let row = start; row < end; row++) widths[row]![column] = width;
      start = Math.max(end, start + 1);
    }
  }
  return lines
    .map((cells, row) =>
      cells.map((cell, i) => (i < cells.length - 1 ? pad(cell, widths[row]![i]!) : cell)).join(''),
    )
    .join('\n');
}

/** A table with its headings, one line each. */
export function table(rows: readonly (readonly string[])[]): string {
  return align(rows.map((row) => `${row.join('\t')}\n`).join(''));
}

function length(cell: string): number {
  let count = 0;
  for (const _ of cell) count++;
  return count;
}

function pad(cell: string, width: number): string {
  return cell + ' '.repeat(Math.max(0, width - length(cell)));
}
