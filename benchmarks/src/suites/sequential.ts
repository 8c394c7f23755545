/** Reading a whole disk, against `qemu-img convert` and `cat` into a file in memory. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import {
  type Contender,
  medianRatio,
  medianTime,
  runTimed,
  type Series,
  takeTurns,
} from '../measure.ts';
import { formatMilliseconds, type Row, type Section } from '../table.ts';
import { type Bench, jobContender } from './suite.ts';

const TARGETS: Readonly<Record<string, number>> = { plain: 1, zlib: 1.5 };
const JOBS = [
  { job: 'digest', label: 'digest(), worker threads' },
  { job: 'digest-in-place', label: 'digest() in place' },
  { job: 'read-sync', label: 'readSync, 1 MiB' },
  { job: 'read-async', label: 'read, 1 MiB, 4 at a time' },
];

export async function sequential(bench: Bench): Promise<Section> {
  const rows: Row[] = [];
  for (const kind of ['plain', 'zlib', 'zstd'] as const)
    rows.push(...(await readWhole(bench, kind)));
  rows.push(await digestOfRaw(bench));
  return { title: 'Whole disk, read from first to last byte', rows };
}

async function readWhole(bench: Bench, kind: 'plain' | 'zlib' | 'zstd'): Promise<Row[]> {
  const image = await bench.images.qcow2(kind);
  const contenders = [
    ...JOBS.map(({ job }) => jobContender(job, image)),
    convert(bench, image, 'qemu-img convert', []),
    convert(bench, image, 'qemu-img convert -m 16 -W', ['-m', '16', '-W']),
  ];
  const series = await takeTurns(contenders, bench.rounds);
  const peer = series.slice(JOBS.length).toSorted((a, b) => medianTime(a) - medianTime(b))[0]!;
  return JOBS.map(({ job, label }, index) =>
    row(
      `${kind} qcow2: ${label}`,
      series[index]!,
      peer,
      job === 'digest' ? TARGETS[kind] : undefined,
    ),
  );
}

async function digestOfRaw(bench: Bench): Promise<Row> {
  const image = await bench.images.raw();
  const target = join(bench.scratch, 'cat.raw');
  const cat: Contender = {
    name: 'cat to a file',
    prepare: () => rmSync(target, { force: true }),
    run: () => runTimed('/bin/sh', ['-c', 'cat "$1" > "$2"', 'sh', image, target]),
  };
  const [ours, peer] = await takeTurns([jobContender('digest', image), cat], bench.rounds);
  rmSync(target, { force: true });
  return row('raw: digest(), worker threads', ours!, peer!, undefined);
}

function convert(bench: Bench, image: string, name: string, flags: readonly string[]): Contender {
  const target = join(bench.scratch, 'convert.raw');
  return {
    name,
    prepare: () => rmSync(target, { force: true }),
    run: () =>
      runTimed(bench.images.qemuImg, [
        'convert',
        ...flags,
        '-f',
        'qcow2',
        '-O',
        'raw',
        image,
        target,
      ]),
  };
}

function row(benchmark: string, ours: Series, peer: Series, target: number | undefined): Row {
  const ratio = medianRatio(peer, ours);
  const columns = {
    benchmark,
    ours: formatMilliseconds(medianTime(ours)),
    peer: `${formatMilliseconds(medianTime(peer))} ${peer.name}`,
    ratio,
  };
  if (target === undefined) return columns;
  return { ...columns, target: `≥ ${target.toFixed(1)}×`, met: ratio >= target };
}
