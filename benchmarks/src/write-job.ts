/**
 * One measured piece of writing in a process of its own: `write-job.js NAME IMAGE [COUNT]`. Prints
 * its time as JSON: opening and closing the disk are in it, loading the library is not.
 */
import { checkDiskFile, type DiskFile, openDiskFile } from 'diskfile';
import { peakResidentBytes } from './measure.ts';
import { BLOCK_BYTES, hopOffset } from './pattern.ts';

const SEQUENTIAL_BYTES = 1024 * 1024;
const IN_FLIGHT = 4;
const DEPTH = 32;
const WARM_UP_ROUNDS = 5;

let start: number;

type Job = (path: string, count: number) => Promise<unknown>;

const JOBS: Readonly<Record<string, Job>> = {
  'write-sync': onDisk((disk) => {
    const buffer = new Uint8Array(SEQUENTIAL_BYTES).fill(1);
    for (let at = 0; at < disk.sizeBytes; at += buffer.length) disk.writeSync(buffer, at);
  }),
  'write-async': onDisk((disk) =>
    inLanes(IN_FLIGHT, disk.sizeBytes / SEQUENTIAL_BYTES, () => {
      const buffer = new Uint8Array(SEQUENTIAL_BYTES).fill(1);
      return (index) => disk.write(buffer, index * SEQUENTIAL_BYTES);
    }),
  ),
  'hop-write-sync': onDisk((disk, count) => {
    const buffer = new Uint8Array(BLOCK_BYTES).fill(1);
    for (let index = 0; index < count; index++) {
      disk.writeSync(buffer, hopOffset(index, disk.sizeBytes));
    }
  }),
  'hop-write-1': onDisk((disk, count) => hopWrites(disk, count, 1)),
  'hop-write-32': onDisk((disk, count) => hopWrites(disk, count, DEPTH)),
  'hop-write-batch-32': onDisk(async (disk, count) => {
    const buffer = new Uint8Array(BLOCK_BYTES).fill(1);
    for (let first = 0; first < count; first += DEPTH) {
      const operations = Array.from({ length: DEPTH }, (_, index) => ({
        op: 'write' as const,
        guestOffset: hopOffset(first + index, disk.sizeBytes),
        buffer,
      }));
      for (const { error } of await disk.submitBatch(operations)) {
        if (error !== undefined) throw error;
      }
    }
  }),
  snapshot: onDisk((disk) => disk.capabilities.snapshots!.create('bench')),
  'warm-snapshot': (path) => snapshotWarm(path),
  check: (path) => checkDiskFile(path),
};

function onDisk(work: (disk: DiskFile, count: number) => unknown): Job {
  return async (path, count) => {
    const disk = await openDiskFile(path, { readOnly: false });
    await work(disk, count);
    await disk.close();
  };
}

/** Times a snapshot in a process that has made several before. */
async function snapshotWarm(path: string): Promise<void> {
  for (let round = 0; round < WARM_UP_ROUNDS; round++) {
    const disk = await openDiskFile(path, { readOnly: false });
    await disk.capabilities.snapshots!.create('before');
    await disk.capabilities.snapshots!.delete('before');
    await disk.close();
  }
  start = performance.now();
  await JOBS['snapshot']!(path, 0);
}

function hopWrites(disk: DiskFile, count: number, depth: number): Promise<unknown> {
  return inLanes(depth, count, () => {
    const buffer = new Uint8Array(BLOCK_BYTES).fill(1);
    return (index) => disk.write(buffer, hopOffset(index, disk.sizeBytes));
  });
}

/** Does `count` pieces of work, in so many lanes side by side. */
async function inLanes(
  lanes: number,
  count: number,
  makeLane: () => (index: number) => Promise<unknown>,
): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    const work = makeLane();
    while (next < count) {
      const index = next;
      next += 1;
      await work(index);
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}

const [name = '', image = '', count = '0'] = process.argv.slice(2);
const job = JOBS[name];
if (job === undefined) throw new Error(`There is no job ${name}`);
start = performance.now();
await job(image, Number(count));
const milliseconds = performance.now() - start;
const peakBytes = peakResidentBytes() ?? process.resourceUsage().maxRSS * 1024;
process.stdout.write(JSON.stringify({ milliseconds, peakBytes }));
