/** One input against a target: what is thrown, how long it takes, what it allocates. */
import { DiskError } from '@diskfile/bytes';
import type { FuzzTarget } from './fuzz-target.ts';

/** Processor time that one input may take. */
export const MAX_CPU_MS = 2000;
/** Growth of heap and array buffers that one input may cause. */
export const MAX_GROWTH_BYTES = 256 * 1024 * 1024;

export interface Failure {
  readonly kind: 'thrown' | 'stray' | 'slow' | 'memory' | 'hang' | 'crash';
  readonly message: string;
  readonly stack: string | undefined;
}

export interface Outcome {
  /** Whether the target refused the input with a `DiskError`; it did not get far then. */
  readonly refused: boolean;
  readonly failure: Failure | undefined;
}

/** @param maxCpuMs more than usual where modules are instrumented, or the processor is shared */
export async function runInput(
  target: FuzzTarget,
  bytes: Uint8Array,
  choices: readonly number[],
  maxCpuMs = MAX_CPU_MS,
): Promise<Outcome> {
  const memoryBefore = usedBytes();
  const cpuBefore = process.cpuUsage();
  let refused = false;
  try {
    await target.run(bytes, choices);
  } catch (error) {
    if (!(error instanceof DiskError)) return { refused, failure: thrownFailure(error) };
    refused = true;
  }
  const { user, system } = process.cpuUsage(cpuBefore);
  const growth = usedBytes() - memoryBefore;
  const cpuMs = (user + system) / 1000;
  if (cpuMs > maxCpuMs) {
    const message = `took ${Math.round(cpuMs)} ms of processor time`;
    return { refused, failure: { kind: 'slow', message, stack: undefined } };
  }
  return { refused, failure: exceeded(growth, target.maxGrowthBytes ?? MAX_GROWTH_BYTES) };
}

function exceeded(growth: number, maxGrowth: number): Failure | undefined {
  if (growth > maxGrowth) {
    const message = `allocated ${Math.round(growth / 2 ** 20)} MiB`;
    return { kind: 'memory', message, stack: undefined };
  }
  return undefined;
}

export function thrownFailure(error: unknown): Failure {
  if (!(error instanceof Error)) {
    return { kind: 'thrown', message: String(error), stack: undefined };
  }
  return { kind: 'thrown', message: `${error.name}: ${error.message}`, stack: error.stack };
}

/** Array buffers and heap, garbage included: what is measured is what was allocated. */
function usedBytes(): number {
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
