/** Whole conversions, process start included, against `qemu-img convert -m 16 -W`. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runProgram } from '../host.ts';
import {
  type Contender,
  medianRatio,
  medianTime,
  peakMemory,
  runTimed,
  takeTurns,
} from '../measure.ts';
import { formatMebibytes, formatMilliseconds, type Row, type Section } from '../table.ts';
import type { Bench } from './suite.ts';

const JOB = fileURLToPath(new URL('../convert-job.js', import.meta.url));

/** One way to store a disk: names of its format here and there, and how it is made. */
interface Kind {
  readonly label: string;
  readonly format: string;
  readonly qemuFormat: string;
  readonly compress: boolean;
  readonly options: Readonly<Record<string, string>>;
  /** Whether qemu-img writes it out of order. */
  readonly unordered: boolean;
  /** How many times as fast as qemu-img it is to be read and written. */
  readonly read?: number;
  readonly written?: number;
}

function kind(label: string, format: string, more: Partial<Kind> = {}): Kind {
  const common = { compress: false, options: {}, unordered: true };
  return { ...common, qemuFormat: format, label, format, ...more };
}

const KINDS: readonly Kind[] = [
  kind('plain qcow2', 'qcow2', { read: 1.25, written: 1.1 }),
  kind('deflate qcow2', 'qcow2', { compress: true, read: 2, written: 2 }),
  kind('zstd qcow2', 'qcow2', {
    compress: true,
    options: { compression_type: 'zstd' },
    read: 1,
    written: 1,
  }),
  kind('dynamic VHD', 'vhd', { qemuFormat: 'vpc', options: { force_size: 'on' }, read: 1 }),
  kind('VHDX', 'vhdx', { read: 1 }),
  kind('sparse VMDK', 'vmdk', { read: 1 }),
  kind('stream-optimized VMDK', 'vmdk', {
    options: { subformat: 'streamOptimized' },
    unordered: false,
    read: 1,
  }),
  kind('VDI', 'vdi', { read: 1 }),
];

export async function converting(bench: Bench): Promise<Section> {
  const raw = kind('raw', 'raw');
  const source = await bench.images.raw();
  const stored = join(bench.scratch, 'convert-source');
  const rows: Row[] = [];
  for (const each of KINDS) {
    runProgram(bench.images.qemuImg, qemuArguments(raw, source, each, stored));
    rows.push(await compared(bench, each, stored, raw, each.read));
    rows.push(await compared(bench, raw, source, each, each.written));
    rmSync(stored, { force: true });
  }
  return { title: 'Conversions, whole processes', rows };
}

function qemuArguments(from: Kind, source: string, to: Kind, target: string): string[] {
  const options = Object.entries(to.options).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
  const formats = ['-f', from.qemuFormat, '-O', to.qemuFormat];
  const best = ['-m', '16', ...(to.unordered ? ['-W'] : []), ...(to.compress ? ['-c'] : [])];
  return ['convert', ...best, ...formats, ...options, source, target];
}

async function compared(
  bench: Bench,
  from: Kind,
  source: string,
  to: Kind,
  target: number | undefined,
): Promise<Row> {
  const made = join(bench.scratch, 'convert-target');
  const prepare = (): void => rmSync(made, { force: true });
  const options = JSON.stringify({ compress: to.compress, options: to.options });
  const job = [JOB, source, from.format, made, to.format, options];
  const contenders: Contender[] = [
    {
      name: 'diskfile',
      prepare,
      run: () => runTimed(process.execPath, job, { watchMemory: true }),
    },
    {
      name: 'qemu-img',
      prepare,
      run: () => runTimed(bench.images.qemuImg, qemuArguments(from, source, to, made)),
    },
  ];
  const [ours, peer] = await takeTurns(contenders, bench.rounds);
  prepare();
  const ratio = medianRatio(peer!, ours!);
  return {
    benchmark: `${from.label} → ${to.label}`,
    ours: `${formatMilliseconds(medianTime(ours!))}, ${formatMebibytes(peakMemory(ours!))} memory`,
    peer: `${formatMilliseconds(medianTime(peer!))} qemu-img`,
    ratio,
    ...(target === undefined ? {} : { target: `≥ ${target}×`, met: ratio >= target }),
  };
}
