/** Work on the tables of large images, against qemu-img: snapshots and checks. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { runProgram } from '../host.ts';
import { type Contender, medianRatio, medianTime, runTimed, takeTurns } from '../measure.ts';
import { formatMilliseconds, type Row, type Section } from '../table.ts';
import type { Bench } from './suite.ts';
import { runWriteJob } from './writing.ts';

const FLOOR = 0.5;

export async function tables(bench: Bench): Promise<Section> {
  return {
    title: 'Work on the tables of a large qcow2 image',
    rows: [
      await snapshot(bench, '100 GiB, empty', []),
      await snapshot(bench, '100 GiB, all clusters mapped', ['-o', 'preallocation=metadata']),
      await check(bench),
    ],
  };
}

async function snapshot(bench: Bench, label: string, options: readonly string[]): Promise<Row> {
  const image = create(bench, '100G', options);
  const { qemuImg } = bench.images;
  // The one that the turn before has made is deleted; the first turn finds none.
  let isMade = false;
  const prepare = (): void => {
    if (isMade) runProgram(qemuImg, ['snapshot', '-d', 'bench', image]);
    isMade = true;
  };
  const ours: Contender = { name: 'ours', prepare, run: () => runWriteJob('snapshot', image) };
  const peer: Contender = {
    name: 'qemu-img snapshot -c',
    prepare,
    run: () => runTimed(qemuImg, ['snapshot', '-c', 'bench', image]),
  };
  return await row(bench, image, { label: `snapshot, ${label}`, ours, peer });
}

/** 64 GiB in clusters of 64 KiB. */
async function check(bench: Bench): Promise<Row> {
  const image = create(bench, '64G', ['-o', 'preallocation=metadata']);
  const { qemuImg } = bench.images;
  const ours: Contender = { name: 'ours', run: () => runWriteJob('check', image) };
  const peer: Contender = {
    name: 'qemu-img check',
    run: () => runTimed(qemuImg, ['check', '-q', '-f', 'qcow2', image]),
  };
  return await row(bench, image, { label: 'check, a million clusters', ours, peer });
}

function create(bench: Bench, size: string, options: readonly string[]): string {
  const image = join(bench.scratch, 'tables.qcow2');
  runProgram(bench.images.qemuImg, ['create', '-q', '-f', 'qcow2', ...options, image, size]);
  return image;
}

async function row(
  bench: Bench,
  image: string,
  { label, ours, peer }: { label: string; ours: Contender; peer: Contender },
): Promise<Row> {
  const [mine, theirs] = await takeTurns([ours, peer], bench.rounds);
  rmSync(image);
  const ratio = medianRatio(theirs!, mine!);
  return {
    benchmark: label,
    ours: formatMilliseconds(medianTime(mine!)),
    peer: `${formatMilliseconds(medianTime(theirs!))} ${peer.name}`,
    ratio,
    target: `≥ ${FLOOR.toFixed(1)}×`,
    met: ratio >= FLOOR,
  };
}
