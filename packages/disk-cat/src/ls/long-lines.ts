/** Lines like those of `ls -l`. */
import { type Column, tableLines } from '../cli/table.ts';
import { humanSize } from '../cli/sizes.ts';
import type { Accounts } from '../guest/accounts.ts';
import { symbolicMode } from '../guest/file-modes.ts';
import { formatTime, type TimeStyle } from '../guest/times.ts';
import type { ListedFile } from './listing.ts';

export interface LongOptions {
  readonly human: boolean;
  readonly accounts: Accounts;
  readonly timeStyle: TimeStyle;
}

const COLUMNS: readonly Column[] = [
  { title: 'mode' },
  { title: 'links', align: 'right' },
  { title: 'user' },
  { title: 'group' },
  { title: 'size', align: 'right' },
  { title: 'time' },
  { title: 'name' },
];

/** One line a file, aligned over all of them. */
export function longLines(files: readonly ListedFile[], options: LongOptions): string[] {
  const nowSeconds = Math.floor(Date.now() / 1000);
  const rows = files.map(({ stats, name, target }) => [
    symbolicMode(stats),
    String(stats.linkCount),
    options.accounts.user(stats.uid),
    options.accounts.group(stats.gid),
    sizeOrDevice(stats, options.human),
    formatTime(stats.modifyTime, options.timeStyle, nowSeconds),
    target === undefined ? name : `${name} -> ${target}`,
  ]);
  return tableLines(COLUMNS, rows, { titles: false, gap: ' ' });
}

/** The size, or the numbers of a device node. */
export function sizeOrDevice({ device, sizeBytes }: ListedFile['stats'], human: boolean): string {
  if (device !== undefined) return `${device.major}, ${device.minor}`;
  return human ? humanSize(sizeBytes) : String(sizeBytes);
}
