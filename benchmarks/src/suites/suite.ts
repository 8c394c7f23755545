/** What a group of benchmarks gets and gives. */
import { fileURLToPath } from 'node:url';
import type { Images } from '../images.ts';
import { type Contender, runTimed, type Sample } from '../measure.ts';
import type { Section } from '../table.ts';

export interface Bench {
  readonly images: Images;
  /** Directory in memory for what contenders write. */
  readonly scratch: string;
  readonly rounds: number;
  /** Size of disks that are written. */
  readonly writeBytes: number;
  /** Blocks that are read or written in one turn. */
  readonly blockReads: number;
}

export type Suite = (bench: Bench) => Promise<Section>;

const JOB = fileURLToPath(new URL('../job.js', import.meta.url));

/** One of the jobs of `job.ts` as contender, timed within its process. */
export function jobContender(job: string, image: string, count = 0): Contender {
  return { name: job, run: () => runJob(job, image, count) };
}

export async function runJob(job: string, image: string, count = 0): Promise<Sample> {
  const { stdout } = await runTimed(process.execPath, [JOB, job, image, String(count)]);
  return JSON.parse(stdout) as Sample;
}
