/** What is said of a request that is done: bytes, time and rate. */
import { byteText } from './byte-text.ts';

export interface IoReport {
  readonly op: 'read' | 'wrote' | 'discard';
  readonly offset: number;
  /** Bytes that were asked for. */
  readonly asked: number;
  readonly done: number;
  readonly milliseconds: number;
  /** One line for programs. */
  readonly terse: boolean;
}

export function ioReport({ op, offset, asked, done, milliseconds, terse }: IoReport): string {
  // A clock without enough digits must not make rates infinite.
  const seconds = Math.max(milliseconds, 0.001) / 1000;
  if (terse) {
    const rates = `${(done / seconds).toFixed(3)},${(1 / seconds).toFixed(3)}`;
    return `${done},1,${clockText(seconds)},${rates}\n`;
  }
  const rates = `(${byteText(done / seconds)}/sec and ${(1 / seconds).toFixed(4)} ops/sec)`;
  const time = seconds < 60 ? `${hundredths(seconds)} sec` : clockText(seconds);
  return (
    `${op} ${done}/${asked} bytes at offset ${offset}\n` +
    `${byteText(done)}, 1 ops; ${time} ${rates}\n`
  );
}

function clockText(seconds: number): string {
  const minutes = Math.trunc(seconds / 60);
  const clock = String(minutes % 60).padStart(2, '0');
  return `${Math.trunc(minutes / 60)}:${clock}:${hundredths(seconds % 60)}`;
}

function hundredths(seconds: number): string {
  return (Math.trunc(seconds * 100) / 100).toFixed(2).padStart(5, '0');
}
