/** Rows as columns for people, or as comma-separated values for programs (RFC 4180). */

export interface Column {
  readonly title: string;
  readonly align?: 'left' | 'right';
}

export interface TableOptions {
  /** False to leave the line of titles out. */
  readonly titles?: boolean;
  readonly gap?: string;
}

/** Lines of a table. */
export function tableLines(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  { titles = true, gap = '  ' }: TableOptions = {},
): string[] {
  const all = titles ? [columns.map(({ title }) => title), ...rows] : rows;
  const widths = columns.map((_, index) =>
    all.reduce((width, row) => Math.max(width, row[index]!.length), 0),
  );
  const last = columns.length - 1;
  return all.map((row) => {
    const cells = row.map((cell, index) => {
      if (columns[index]!.align === 'right') return cell.padStart(widths[index]!);
      return index === last ? cell : cell.padEnd(widths[index]!);
    });
    return cells.join(gap);
  });
}

/** One record, without the line break. Fields are quoted where they need it. */
export function csvLine(fields: readonly (string | number)[]): string {
  return fields.map((field) => csvField(String(field))).join(',');
}

function csvField(field: string): string {
  return /[",\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field;
}
