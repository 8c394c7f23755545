/**
 * One measured piece of work in a process of its own: `job.js NAME IMAGE [COUNT]`. Prints its time
 * and peak memory as JSON. Loading the library is not in the time; opening the disk is.
 */
import { digest, type DiskFile, openDiskFile } from 'diskfile';
import { peakResidentBytes } from './measure.ts';
import { BLOCK_BYTES, hopOffset } from './pattern.ts';

const SEQUENTIAL_BYTES = 1024 * 1024;
const READ_AHEAD = 4;
const DEPTH = 32;

/** Works on a disk; `count` is for jobs that read blocks here and there. */
type Job = (disk: DiskFile, count: number) => Promise<unknown>;

const JOBS: Readonly<Record<string, Job>> = {
  digest: (disk) => digest(disk),
  'digest-in-place': (disk) => digest(disk, { workers: 0 }),

  'read-sync': async (disk) => {
    const buffer = new Uint8Array(SEQUENTIAL_BYTES);
    for (let at = 0; at < disk.sizeBytes; at += buffer.length) {
      disk.readSync(buffer.subarray(0, disk.sizeBytes - at), at);
    }
  },

  'read-async': async (disk) => {
    let next = 0;
    const lane = async (): Promise<void> => {
      const buffer = new Uint8Array(SEQUENTIAL_BYTES);
      while (next < disk.sizeBytes) {
        const at = next;
        next += buffer.length;
        await disk.read(buffer.subarray(0, disk.sizeBytes - at), at);
      }
    };
    await Promise.all(Array.from({ length: READ_AHEAD }, lane));
  },

  'hop-sync': async (disk, count) => {
    const buffer = new Uint8Array(BLOCK_BYTES);
    for (let index = 0; index < count; index++) {
      disk.readSync(buffer, hopOffset(index, disk.sizeBytes));
    }
  },

  'hop-async-1': (disk, count) => hopAsync(disk, count, 1),
  'hop-async-32': (disk, count) => hopAsync(disk, count, DEPTH),

  'hop-batch-32': async (disk, count) => {
    const buffers = Array.from({ length: DEPTH }, () => new Uint8Array(BLOCK_BYTES));
    for (let first = 0; first < count; first += DEPTH) {
      const operations = buffers.map((buffer, index) => ({
        op: 'read' as const,
        guestOffset: hopOffset(first + index, disk.sizeBytes),
        buffer,
      }));
      for (const { error } of await disk.submitBatch(operations)) {
        if (error !== undefined) throw error;
      }
    }
  },
};

async function hopAsync(disk: DiskFile, count: number, depth: number): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    const buffer = new Uint8Array(BLOCK_BYTES);
    while (next < count) {
      const index = next;
      next += 1;
      await disk.read(buffer, hopOffset(index, disk.sizeBytes));
    }
  };
  await Promise.all(Array.from({ length: depth }, lane));
}

const [name = '', image = '', count = '0'] = process.argv.slice(2);
const job = JOBS[name];
if (job === undefined) throw new Error(`There is no job ${name}`);
const start = performance.now();
const disk = await openDiskFile(image);
await job(disk, Number(count));
await disk.close();
const milliseconds = performance.now() - start;
const peakBytes = peakResidentBytes() ?? process.resourceUsage().maxRSS * 1024;
process.stdout.write(JSON.stringify({ milliseconds, peakBytes }));
