/** Blocks of 4 KiB all over a plain qcow2, against `qemu-img bench` with the same pattern. */
import { type Contender, medianRatio, medianTime, runTimed, takeTurns } from '../measure.ts';
import { BLOCK_BYTES, hopStep } from '../pattern.ts';
import type { Row, Section } from '../table.ts';
import { type Bench, jobContender } from './suite.ts';

const DEPTHS = [
  { depth: 1, jobs: ['hop-sync', 'hop-async-1'] },
  { depth: 32, jobs: ['hop-async-32', 'hop-batch-32'] },
];
const LABELS: Readonly<Record<string, string>> = {
  'hop-sync': 'readSync',
  'hop-async-1': 'read, depth 1',
  'hop-async-32': 'read, depth 32',
  'hop-batch-32': 'submitBatch of 32',
};

export async function random(bench: Bench): Promise<Section> {
  const { path, sizeBytes } = await bench.images.dense();
  const count = bench.blockReads;
  const rows: Row[] = [];
  for (const { depth, jobs } of DEPTHS) {
    const contenders = [
      ...jobs.map((job) => jobContender(job, path, count)),
      qemuBench(bench, path, sizeBytes, depth),
    ];
    const series = await takeTurns(contenders, bench.rounds);
    const peer = series.at(-1)!;
    for (const [index, job] of jobs.entries()) {
      const ours = series[index]!;
      rows.push({
        benchmark: LABELS[job]!,
        ours: perBlock(medianTime(ours), count),
        peer: `${perBlock(medianTime(peer), count)} ${peer.name}`,
        ratio: medianRatio(peer, ours),
      });
    }
  }
  return { title: '4 KiB blocks all over a plain qcow2', rows };
}

function qemuBench(bench: Bench, path: string, sizeBytes: number, depth: number): Contender {
  const { qemuImg } = bench.images;
  const count = String(bench.blockReads);
  const pattern = ['-c', count, '-s', String(BLOCK_BYTES), '-S', String(hopStep(sizeBytes))];
  return {
    name: `qemu-img bench -d ${depth}`,
    run: async () => {
      const args = [
        'bench',
        ...pattern,
        '-d',
        String(depth),
        '-t',
        'writeback',
        '-f',
        'qcow2',
        path,
      ];
      const { stdout } = await runTimed(qemuImg, args);
      // What it measured itself leaves out the start of the process, as our jobs do.
      const seconds = /([\d.]+) seconds/.exec(stdout)?.[1];
      if (seconds === undefined) throw new Error(`qemu-img bench printed no time: ${stdout}`);
      return { milliseconds: Number(seconds) * 1000 };
    },
  };
}

function perBlock(milliseconds: number, count: number): string {
  return `${((milliseconds * 1000) / count).toFixed(1)} µs`;
}
