/** The columns of a recursive long listing, as virt-ls has them, for lines and for CSV. */
import { humanSize } from '../cli/sizes.ts';
import { octalMode, TYPE_LETTERS } from '../guest/file-modes.ts';
import { formatTime, type TimeStyle } from '../guest/times.ts';
import type { ListedFile } from './listing.ts';

export interface RecordOptions {
  readonly human: boolean;
  readonly uids: boolean;
  /** Undefined to leave times out. */
  readonly timeStyle: TimeStyle | undefined;
  readonly extraStats: boolean;
  readonly checksum: boolean;
  /** Device of the filesystem that a path is on. */
  readonly deviceOf: (path: string) => string;
}

export interface RecordColumn {
  readonly title: string;
  /** Least width in lines; numbers are aligned to the right. */
  readonly width: number;
  text(file: ListedFile): string;
}

/** Everything but the path, which comes last. */
export function recordColumns(options: RecordOptions): RecordColumn[] {
  const nowSeconds = Math.floor(Date.now() / 1000);
  const column = (title: string, width: number, text: RecordColumn['text']): RecordColumn => ({
    title,
    width,
    text,
  });
  const columns = [
    column('type', 1, ({ stats }) => TYPE_LETTERS[stats.type]),
    column('mode', 4, ({ stats }) => octalMode(stats)),
    column('size', 10, ({ stats: { sizeBytes } }) =>
      options.human ? humanSize(sizeBytes) : String(sizeBytes),
    ),
  ];
  if (options.uids) {
    columns.push(
      column('uid', 4, ({ stats }) => String(stats.uid)),
      column('gid', 4, ({ stats }) => String(stats.gid)),
    );
  }
  const { timeStyle } = options;
  if (timeStyle !== undefined) {
    columns.push(
      column('atime', 0, ({ stats }) => formatTime(stats.accessTime, timeStyle, nowSeconds)),
      column('mtime', 0, ({ stats }) => formatTime(stats.modifyTime, timeStyle, nowSeconds)),
      column('ctime', 0, ({ stats }) => formatTime(stats.changeTime, timeStyle, nowSeconds)),
    );
  }
  if (options.extraStats) {
    columns.push(
      column('device', 0, ({ path }) => options.deviceOf(path)),
      column('inode', 0, ({ stats }) => String(stats.inode)),
      column('nlink', 0, ({ stats }) => String(stats.linkCount)),
      column('rdev', 0, ({ stats: { device } }) =>
        device === undefined ? '-' : `${device.major}:${device.minor}`,
      ),
      column('blocks', 0, ({ stats }) => String(Math.ceil(stats.allocatedBytes / 512))),
    );
  }
  if (options.checksum) columns.push(column('checksum', 0, ({ checksum }) => checksum ?? '-'));
  return columns;
}

/** `- 0644        123 /bin/ls`, a link with its target. */
export function recordLine(columns: readonly RecordColumn[], file: ListedFile): string {
  const cells = columns.map((column) => column.text(file).padStart(column.width));
  const { path, target } = file;
  return [...cells, target === undefined ? path : `${path} -> ${target}`].join(' ');
}
