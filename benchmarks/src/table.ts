/** Results as a table that is Markdown and can be read as it stands. */

export interface Row {
  readonly benchmark: string;
  readonly ours: string;
  readonly peer: string;
  /** Peer's time divided by ours: above 1, we are faster. */
  readonly ratio?: number;
  readonly target?: string;
  /** Undefined where there is no target. */
  readonly met?: boolean;
}

export interface Section {
  readonly title: string;
  readonly rows: readonly Row[];
}

const HEADER = ['', 'diskfile', 'peer', 'ratio', 'target'];

export function formatSection({ title, rows }: Section): string {
  const lines = [HEADER, ...rows.map(cells)];
  const widths = HEADER.map((_, column) =>
    Math.max(3, ...lines.map((line) => line[column]!.length)),
  );
  const shown = lines.map(
    (line) => `| ${line.map((cell, column) => cell.padEnd(widths[column]!)).join(' | ')} |`,
  );
  const rule = `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`;
  return [`### ${title}`, '', shown[0], rule, ...shown.slice(1), ''].join('\n');
}

function cells({ benchmark, ours, peer, ratio, target, met }: Row): string[] {
  const verdict = met === undefined ? '' : met ? ' ✓' : ' ✗ missed';
  return [
    benchmark,
    ours,
    peer,
    ratio === undefined ? '' : `${ratio.toFixed(2)}×`,
    `${target ?? ''}${verdict}`,
  ];
}

export function formatMilliseconds(milliseconds: number): string {
  return milliseconds < 100 ? `${milliseconds.toFixed(1)} ms` : `${milliseconds.toFixed(0)} ms`;
}

export function formatMebibytes(bytes: number): string {
  return `${(bytes / (1024 * 1024)).toFixed(0)} MiB`;
}
