/** Writing to qcow2 images in memory, against `qemu-img bench -w`. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runProgram } from '../host.ts';
import {
  type Contender,
  medianRatio,
  medianTime,
  runTimed,
  type Sample,
  takeTurns,
} from '../measure.ts';
import { BLOCK_BYTES, hopStep } from '../pattern.ts';
import { formatMilliseconds, type Row, type Section } from '../table.ts';
import type { Bench } from './suite.ts';

const MIB = 1024 * 1024;
const JOB = fileURLToPath(new URL('../write-job.js', import.meta.url));
const SEQUENTIAL_DEPTH = 4;
const CLUSTER_BYTES = 65_536;
/** A size of which the step is no simple fraction, so that each hop meets another cluster. */
const NEW_CLUSTERS = 30_021;
/** No slower than that, whatever the machine. */
const FLOOR = 0.5;

const SEQUENTIAL_JOBS = { 'write-sync': 'writeSync', 'write-async': 'write, 4 in flight' } as const;
const HOP_JOBS: readonly { depth: number; jobs: Readonly<Record<string, string>> }[] = [
  { depth: 1, jobs: { 'hop-write-sync': 'writeSync', 'hop-write-1': 'write, depth 1' } },
  {
    depth: 32,
    jobs: { 'hop-write-32': 'write, depth 32', 'hop-write-batch-32': 'submitBatch of 32' },
  },
];

/** An image in memory, and how it is made anew for each turn. */
interface Target {
  readonly label: string;
  readonly path: string;
  readonly sizeBytes: number;
  prepare(): void;
}

export async function writing(bench: Bench): Promise<Section> {
  const sizeBytes = bench.writeBytes;
  const rows: Row[] = [];
  for (const options of ['', 'preallocation=metadata']) {
    rows.push(...(await sequentialWrites(bench, newImage(bench, sizeBytes, options))));
  }
  // Where each write takes a cluster, a larger disk gives as many writes as code needs to be warm.
  rows.push(...(await hopWrites(bench, newImage(bench, NEW_CLUSTERS * CLUSTER_BYTES, ''))));
  rows.push(...(await hopWrites(bench, newImage(bench, sizeBytes, 'preallocation=full'))));
  return { title: 'Writing to a qcow2 image', rows };
}

function newImage(bench: Bench, sizeBytes: number, options: string): Target {
  const path = join(bench.scratch, 'written.qcow2');
  const given = options === '' ? [] : ['-o', options];
  return {
    label: options === '' ? 'new image' : options,
    path,
    sizeBytes,
    prepare: () => {
      rmSync(path, { force: true });
      const { qemuImg } = bench.images;
      runProgram(qemuImg, ['create', '-q', '-f', 'qcow2', ...given, path, String(sizeBytes)]);
    },
  };
}

async function sequentialWrites(bench: Bench, target: Target): Promise<Row[]> {
  const pattern = { count: target.sizeBytes / MIB, blockBytes: MIB, stepBytes: MIB };
  const peer = qemuBench(bench, target, { ...pattern, depth: SEQUENTIAL_DEPTH });
  const rows = await compared(bench, target, { jobs: SEQUENTIAL_JOBS, count: 0, peer });
  return rows.map(({ label, ours, theirs, ratio }) => ({
    benchmark: `${target.label}: 1 MiB each, in order, ${label}`,
    ours: formatMilliseconds(ours),
    peer: `${formatMilliseconds(theirs)} ${peer.name}`,
    ratio,
    target: `≥ ${FLOOR.toFixed(1)}×`,
    met: ratio >= FLOOR,
  }));
}

async function hopWrites(bench: Bench, target: Target): Promise<Row[]> {
  const rows: Row[] = [];
  // A new image gets a cluster for nearly each write, until all are there.
  const count = target.label === 'new image' ? NEW_CLUSTERS : bench.blockReads;
  for (const { depth, jobs } of HOP_JOBS) {
    const pattern = { count, blockBytes: BLOCK_BYTES, stepBytes: hopStep(target.sizeBytes) };
    const peer = qemuBench(bench, target, { ...pattern, depth });
    for (const each of await compared(bench, target, { jobs, count, peer })) {
      rows.push({
        benchmark: `${target.label}: 4 KiB each, all over, ${each.label}`,
        ours: perBlock(each.ours, count),
        peer: `${perBlock(each.theirs, count)} ${peer.name}`,
        ratio: each.ratio,
        target: `≥ ${FLOOR.toFixed(1)}×`,
        met: each.ratio >= FLOOR,
      });
    }
  }
  return rows;
}

interface Comparison {
  readonly label: string;
  readonly ours: number;
  readonly theirs: number;
  readonly ratio: number;
}

async function compared(
  bench: Bench,
  target: Target,
  { jobs, count, peer }: { jobs: Readonly<Record<string, string>>; count: number; peer: Contender },
): Promise<Comparison[]> {
  const names = Object.keys(jobs);
  const contenders = names.map((job): Contender => ({
    name: job,
    prepare: () => target.prepare(),
    run: () => runWriteJob(job, target.path, count),
  }));
  const series = await takeTurns([...contenders, peer], bench.rounds);
  rmSync(target.path);
  const theirs = series.at(-1)!;
  return names.map((job, index) => ({
    label: jobs[job]!,
    ours: medianTime(series[index]!),
    theirs: medianTime(theirs),
    ratio: medianRatio(theirs, series[index]!),
  }));
}

export async function runWriteJob(job: string, image: string, count = 0): Promise<Sample> {
  const { stdout } = await runTimed(process.execPath, [JOB, job, image, String(count)]);
  return JSON.parse(stdout) as Sample;
}

interface Pattern {
  readonly count: number;
  readonly blockBytes: number;
  readonly stepBytes: number;
  readonly depth: number;
}

/** Of what it measures itself: tables that it writes on closing are not in it. */
function qemuBench(bench: Bench, target: Target, pattern: Pattern): Contender {
  const { count, blockBytes, stepBytes, depth } = pattern;
  const numbers = { '-c': count, '-s': blockBytes, '-S': stepBytes, '-d': depth };
  const args = Object.entries(numbers).flatMap(([flag, value]) => [flag, String(value)]);
  return {
    name: `qemu-img bench -w -d ${depth}`,
    prepare: () => target.prepare(),
    run: async () => {
      const all = ['bench', '-w', ...args, '-t', 'writeback', '-f', 'qcow2', target.path];
      const { stdout } = await runTimed(bench.images.qemuImg, all);
      const seconds = /([\d.]+) seconds/.exec(stdout)?.[1];
      if (seconds === undefined) throw new Error(`qemu-img bench printed no time: ${stdout}`);
      return { milliseconds: Number(seconds) * 1000 };
    },
  };
}

function perBlock(milliseconds: number, count: number): string {
  return `${((milliseconds * 1000) / count).toFixed(1)} µs`;
}
