/** Taking times: contenders in turn, round after round, so that a busy moment hits all of them. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';

export interface Sample {
  readonly milliseconds: number;
  /** Largest resident set, where it was asked for. */
  readonly peakBytes?: number;
  /** Processor time of all its threads, where that was asked for. */
  readonly cpuMilliseconds?: number;
}

export interface Contender {
  readonly name: string;
  /** Clears away what an earlier turn left; not timed. */
  prepare?(): void;
  run(): Promise<Sample>;
}

export interface Series {
  readonly name: string;
  readonly samples: readonly Sample[];
}

/** Runs every contender once to warm up, then `rounds` times in turn. */
export async function takeTurns(
  contenders: readonly Contender[],
  rounds: number,
): Promise<Series[]> {
  const samples = contenders.map((): Sample[] => []);
  for (let round = -1; round < rounds; round++) {
    for (const [index, contender] of contenders.entries()) {
      contender.prepare?.();
      const sample = await contender.run();
      if (round >= 0) samples[index]!.push(sample);
    }
  }
  return contenders.map(({ name }, index) => ({ name, samples: samples[index]! }));
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

export function medianTime(series: Series): number {
  return median(series.samples.map(({ milliseconds }) => milliseconds));
}

/** Largest of all turns: a bound has to hold every time. */
export function peakMemory(series: Series): number {
  return Math.max(...series.samples.map(({ peakBytes }) => peakBytes ?? NaN));
}

/** Median of the ratios within each round, of wall or of processor time. */
export function medianRatio(
  numerator: Series,
  denominator: Series,
  of: 'milliseconds' | 'cpuMilliseconds' = 'milliseconds',
): number {
  return median(
    numerator.samples.map((sample, round) => sample[of]! / denominator.samples[round]![of]!),
  );
}

export interface Finished extends Sample {
  readonly stdout: string;
}

const WATCH_MILLISECONDS = 10;

/**
 * Runs a program and takes the time of the whole process.
 * @param options `watchMemory` looks at its peak resident set and its processor time until it ends
 *   (Linux)
 */
export async function runTimed(
  program: string,
  args: readonly string[],
  options: { watchMemory?: boolean; discardOutput?: boolean } = {},
): Promise<Finished> {
  const start = performance.now();
  const child = spawn(program, args, {
    // Certificates that are named there are read at each start of Node.
    env: { ...process.env, NODE_EXTRA_CA_CERTS: undefined },
    stdio: ['ignore', options.discardOutput === true ? 'ignore' : 'pipe', 'pipe'],
  });
  const output: Buffer[] = [];
  const complaints: Buffer[] = [];
  child.stdout?.on('data', (bytes: Buffer) => output.push(bytes));
  child.stderr!.on('data', (bytes: Buffer) => complaints.push(bytes));
  let peakBytes = 0;
  let cpuMilliseconds = 0;
  const watch = (): void => {
    peakBytes = Math.max(peakBytes, peakResidentBytes(child.pid) ?? 0);
    cpuMilliseconds = Math.max(cpuMilliseconds, processorTime(child.pid!) ?? 0);
  };
  const timer = options.watchMemory === true ? setInterval(watch, WATCH_MILLISECONDS) : undefined;
  const status = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  }).finally(() => clearInterval(timer));
  const milliseconds = performance.now() - start;
  if (status !== 0) {
    throw new Error(`${program} ${args.join(' ')} failed: ${Buffer.concat(complaints).toString()}`);
  }
  const stdout = Buffer.concat(output).toString();
  return options.watchMemory === true
    ? { milliseconds, stdout, peakBytes, cpuMilliseconds }
    : { milliseconds, stdout };
}

/** VmHWM of a process; undefined where the host does not tell. */
export function peakResidentBytes(pid: number | 'self' = 'self'): number | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const kibibytes = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1];
    return kibibytes === undefined ? undefined : Number(kibibytes) * 1024;
  } catch {
    return undefined;
  }
}

/** Clock ticks of /proc, which Linux fixes for programs. */
const TICK_MILLISECONDS = 10;

/** Processor time of a process and its threads so far, in milliseconds (proc(5), `stat`). */
function processorTime(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // Behind the name, which may hold anything, `utime` and `stime` are fields 14 and 15 of all.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) * TICK_MILLISECONDS;
  } catch {
    return undefined;
  }
}
