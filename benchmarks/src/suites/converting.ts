/** Conversions, comparisons and checks, process start included, against qemu-img at its best. */
import { rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { command, DISK_IMG, qemuCommand } from '../commands.ts';
import { claimMemory, runProgram } from '../host.ts';
import { type Contender, medianRatio, medianTime, peakMemory, takeTurns } from '../measure.ts';
import { formatMebibytes, formatMilliseconds, type Row, type Section } from '../table.ts';
import type { Bench } from './suite.ts';

/** One way to store a disk: names of its format here and there, and how it is made. */
interface Kind {
  readonly label: string;
  readonly format: string;
  readonly compress: boolean;
  readonly options: readonly string[];
  /** Whether qemu-img writes it out of order. */
  readonly unordered: boolean;
  /** How many times as fast as qemu-img it is to be read and written. */
  readonly read?: number;
  readonly written?: number;
}

function kind(label: string, format: string, more: Partial<Kind> = {}): Kind {
  return { compress: false, options: [], unordered: true, label, format, ...more };
}

const RAW = kind('raw', 'raw');
const PLAIN = kind('plain qcow2', 'qcow2', { read: 1.25, written: 1.1 });
const DEFLATE = kind('deflate qcow2', 'qcow2', { compress: true, read: 2, written: 2 });
/** Node before 22.15 has no zstd of its own. */
const ZSTD_TARGET = 'zstd' in process.versions ? 1 : 0.7;
const ZSTD = kind('zstd qcow2', 'qcow2', {
  compress: true,
  options: ['compression_type=zstd'],
  read: ZSTD_TARGET,
  written: ZSTD_TARGET,
});
const GUEST_KINDS: readonly Kind[] = [
  PLAIN,
  DEFLATE,
  ZSTD,
  kind('dynamic VHD', 'vpc', { options: ['force_size=on'], read: 1, written: 1 }),
  kind('VHDX', 'vhdx', { read: 1, written: 1 }),
  kind('sparse VMDK', 'vmdk', { read: 1, written: 1 }),
  kind('stream-optimized VMDK', 'vmdk', {
    options: ['subformat=streamOptimized'],
    unordered: false,
    read: 1,
    written: 1,
  }),
  kind('VDI', 'vdi', { read: 1, written: 1 }),
];

/** Unit of `blocks` in the status of a file. */
const BLOCK_BYTES = 512;

/** Twice the time of qemu-img, for what depends on nothing but the size of a disk. */
const EMPTY_TARGET = 0.5;

export async function converting(bench: Bench): Promise<Section> {
  const rows: Row[] = [];
  const add = async (row: Promise<Row>): Promise<void> => {
    rows.push(await row);
    const { benchmark, ours, ratio = NaN } = rows.at(-1)!;
    process.stderr.write(`${benchmark}: ${ratio.toFixed(2)}× (${ours})\n`);
  };
  const guest = await bench.images.files();
  await bothWays(bench, 'files', guest, GUEST_KINDS, add);
  await bothWays(bench, 'random', await bench.images.random(), [PLAIN, DEFLATE], add);
  const { path: tables, clusters } = await bench.images.manyClusters();
  const label = `check of a qcow2 of ${(clusters / 1e6).toFixed(1)} million clusters`;
  await add(compared(bench, label, ['check', tables], { target: 3 }));
  const empty = await bench.images.empty16TiB();
  for (const args of [
    ['info', empty],
    ['map', '--output=json', empty],
  ]) {
    await add(
      compared(bench, `${args[0]} of an empty 16 TiB qcow2`, args, { target: EMPTY_TARGET }),
    );
  }
  const qcow2 = kind('an empty 16 TiB qcow2', 'qcow2');
  await add(converted(bench, '', { from: qcow2, source: empty, to: PLAIN, target: EMPTY_TARGET }));
  return { title: 'Conversions, comparisons and checks, whole processes', rows };
}

/** From a raw disk to each kind and back; plain and compressed ones are compared with it as well. */
async function bothWays(
  bench: Bench,
  content: string,
  source: string,
  kinds: readonly Kind[],
  add: (row: Promise<Row>) => Promise<void>,
): Promise<void> {
  const stored = join(bench.scratch, 'convert-source');
  const dataBytes = statSync(source).blocks * BLOCK_BYTES;
  for (const each of kinds) {
    runProgram(bench.images.qemuImg, ['convert', ...convertArguments(RAW, source, each, stored)]);
    await add(
      converted(bench, content, {
        from: each,
        source: stored,
        to: RAW,
        target: each.read,
        dataBytes,
      }),
    );
    await add(
      converted(bench, content, { from: RAW, source, to: each, target: each.written, dataBytes }),
    );
    if (each === PLAIN || each === DEFLATE) {
      const label = `${content}: compare ${each.label} with raw`;
      const formats = ['-f', 'raw', '-F', each.format];
      await add(compared(bench, label, ['compare', ...formats, source, stored], { target: 1 }));
    }
    rmSync(stored, { force: true });
  }
}

interface Conversion {
  readonly from: Kind;
  readonly source: string;
  readonly to: Kind;
  readonly target: number | undefined;
  /** Most that is written. */
  readonly dataBytes?: number;
}

function converted(
  bench: Bench,
  content: string,
  { from, source, to, target, dataBytes }: Conversion,
): Promise<Row> {
  const made = join(bench.scratch, 'convert-target');
  const args = ['convert', ...convertArguments(from, source, to, made)];
  const label = `${content === '' ? '' : `${content}: `}${from.label} → ${to.label}`;
  return compared(bench, label, args, { target, made, dataBytes });
}

/** The same for both: what qemu-img is fastest with. */
function convertArguments(from: Kind, source: string, to: Kind, target: string): string[] {
  const options = to.options.flatMap((option) => ['-o', option]);
  const formats = ['-f', from.format, '-O', to.format];
  const best = ['-m', '16', ...(to.unordered ? ['-W'] : []), ...(to.compress ? ['-c'] : [])];
  return [...best, ...formats, ...options, source, target];
}

interface Comparison {
  readonly target: number | undefined;
  /** A file that is made, and removed before each turn. */
  readonly made?: string;
  /** Most that is written to it. */
  readonly dataBytes?: number | undefined;
}

/** One row: the same arguments for both commands. */
async function compared(
  bench: Bench,
  benchmark: string,
  args: readonly string[],
  { target, made, dataBytes = 0 }: Comparison,
): Promise<Row> {
  const prepare = (): void => {
    if (made !== undefined) rmSync(made, { force: true });
    claimMemory(bench.scratch, dataBytes);
  };
  const options = { prepare, discardOutput: true };
  const contenders: Contender[] = [
    command(DISK_IMG, args, options),
    qemuCommand(bench.images.qemuImg, args, options),
  ];
  const [ours, peer] = await takeTurns(contenders, bench.rounds);
  prepare();
  const ratio = medianRatio(peer!, ours!);
  return {
    benchmark,
    ours: [
      formatMilliseconds(medianTime(ours!)),
      `${formatMebibytes(peakMemory(ours!))} memory`,
      `${medianRatio(peer!, ours!, 'cpuMilliseconds').toFixed(2)}× by processor time`,
    ].join(', '),
    peer: `${formatMilliseconds(medianTime(peer!))} ${peer!.name}`,
    ratio,
    ...(target === undefined ? {} : { target: `≥ ${target}×`, met: ratio >= target }),
  };
}
