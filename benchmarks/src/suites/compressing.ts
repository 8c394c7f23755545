/** Writing a compressed image from first to last byte, against `qemu-img convert -c`. */
import { rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  type Contender,
  medianRatio,
  medianTime,
  peakMemory,
  runTimed,
  type Sample,
  takeTurns,
} from '../measure.ts';
import { formatMebibytes, formatMilliseconds, type Row, type Section } from '../table.ts';
import type { Bench } from './suite.ts';

const JOB = fileURLToPath(new URL('../compress-job.js', import.meta.url));
/** Of the files at the start of the disk; compressing all of it would take minutes. */
const MOST_BYTES = 256 * 1024 * 1024;
const MODES = { async: 'write, 4 × 1 MiB in flight', sync: 'writeSync, 1 MiB' } as const;

export async function compressing(bench: Bench): Promise<Section> {
  const rows: Row[] = [];
  for (const compression of ['zlib', 'zstd'] as const) {
    rows.push(...(await compressed(bench, compression)));
  }
  return { title: 'Files of a guest, written compressed', rows };
}

async function compressed(bench: Bench, compression: 'zlib' | 'zstd'): Promise<Row[]> {
  const source = await bench.images.raw();
  const lengthBytes = Math.min(bench.images.fileBytes / 2, MOST_BYTES);
  const target = join(bench.scratch, `compressed-${compression}.qcow2`);
  const prepare = (): void => rmSync(target, { force: true });
  const sizes = new Map<string, number>();
  const contender = (name: string, run: () => Promise<Sample>): Contender => ({
    name,
    prepare,
    run: async () => {
      const sample = await run();
      sizes.set(name, statSync(target).size);
      return sample;
    },
  });
  const ours = (mode: keyof typeof MODES): Contender =>
    contender(MODES[mode], async () => {
      const args = [JOB, source, String(lengthBytes), target, compression, mode];
      return JSON.parse((await runTimed(process.execPath, args)).stdout) as Sample;
    });
  const convert = (name: string, flags: readonly string[]): Contender =>
    contender(name, () => {
      const file = { driver: 'file', filename: source };
      const image = `json:${JSON.stringify({ driver: 'raw', size: lengthBytes, file })}`;
      const options = ['-O', 'qcow2', '-o', `compression_type=${compression}`];
      return runTimed(bench.images.qemuImg, ['convert', '-c', ...flags, ...options, image, target]);
    });
  const contenders = [
    ours('async'),
    ours('sync'),
    convert('qemu-img convert -c', []),
    convert('qemu-img convert -c -m 16 -W', ['-m', '16', '-W']),
  ];
  const [first, second, ...peers] = await takeTurns(contenders, bench.rounds);
  prepare();
  const peer = peers.toSorted((a, b) => medianTime(a) - medianTime(b))[0]!;
  return [first!, second!].map((series) => ({
    benchmark: `${compression}: ${series.name}`,
    ours: `${formatMilliseconds(medianTime(series))}, ${formatMebibytes(sizes.get(series.name)!)} made, ${formatMebibytes(peakMemory(series))} memory`,
    peer: `${formatMilliseconds(medianTime(peer))}, ${formatMebibytes(sizes.get(peer.name)!)} made, ${peer.name}`,
    ratio: medianRatio(peer, series),
  }));
}
