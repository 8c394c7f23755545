/** Work on the tables of large images, against qemu-img: snapshots and checks. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { runProgram } from '../host.ts';
import {
  type Contender,
  medianRatio,
  medianTime,
  runTimed,
  type Series,
  takeTurns,
} from '../measure.ts';
import { formatMilliseconds, type Row, type Section } from '../table.ts';
import type { Bench } from './suite.ts';
import { runWriteJob } from './writing.ts';

const FLOOR = 0.5;

export async function tables(bench: Bench): Promise<Section> {
  return {
    title: 'Work on the tables of a large qcow2 image',
    rows: [
      ...(await snapshots(bench, '100 GiB, empty', [])),
      ...(await snapshots(bench, '100 GiB, all clusters mapped', ['-o', 'preallocation=metadata'])),
      await check(bench),
    ],
  };
}

async function snapshots(bench: Bench, label: string, options: readonly string[]): Promise<Row[]> {
  const { qemuImg } = bench.images;
  const image = create(bench, '100G', options);
  // The one that the turn before has made is deleted; the first turn finds none.
  let isMade = false;
  const prepare = (): void => {
    if (isMade) runProgram(qemuImg, ['snapshot', '-d', 'bench', image]);
    isMade = true;
  };
  const contender = (job: string): Contender => ({
    name: job,
    prepare,
    run: () => runWriteJob(job, image),
  });
  const peer: Contender = {
    name: 'qemu-img snapshot -c',
    prepare,
    run: () => runTimed(qemuImg, ['snapshot', '-c', 'bench', image]),
  };
  const contenders = [contender('snapshot'), contender('warm-snapshot'), peer];
  const [first, warm, theirs] = await takeTurns(contenders, bench.rounds);
  rmSync(image);
  return [
    row(`snapshot, ${label}, first of a process`, first!, theirs!),
    row(`snapshot, ${label}, sixth`, warm!, theirs!),
  ];
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
  const [mine, theirs] = await takeTurns([ours, peer], bench.rounds);
  rmSync(image);
  return row('check, a million clusters', mine!, theirs!);
}

function create(bench: Bench, size: string, options: readonly string[]): string {
  const image = join(bench.scratch, 'tables.qcow2');
  runProgram(bench.images.qemuImg, ['create', '-q', '-f', 'qcow2', ...options, image, size]);
  return image;
}

function row(benchmark: string, mine: Series, theirs: Series): Row {
  const ratio = medianRatio(theirs, mine);
  return {
    benchmark,
    ours: formatMilliseconds(medianTime(mine)),
    peer: `${formatMilliseconds(medianTime(theirs))} ${theirs.name}`,
    ratio,
    target: `≥ ${FLOOR.toFixed(1)}×`,
    met: ratio >= FLOOR,
  };
}
