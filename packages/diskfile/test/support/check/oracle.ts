/** What `qemu-img check` says. */
import { spawnSync } from 'node:child_process';
import { dirname } from 'node:path';
import type { CheckReport } from '../../../src/index.ts';

export type Counts = Pick<
  CheckReport,
  | 'checkErrors'
  | 'corruptions'
  | 'leaks'
  | 'imageEndOffset'
  | 'totalClusters'
  | 'allocatedClusters'
  | 'compressedClusters'
  | 'fragmentedClusters'
>;

export interface QemuVerdict {
  /** Undefined when it gave up. */
  readonly counts: Counts | undefined;
  /** 0 clean, 1 not checked, 2 corrupt, 3 leaks only. */
  readonly exitCode: number;
  readonly stderr: string;
}

export function qemuCheck(path: string, ...args: readonly string[]): QemuVerdict {
  const { status, stdout, stderr } = spawnSync(
    'qemu-img',
    ['check', '--output=json', ...args, path],
    { encoding: 'utf8', maxBuffer: 2 ** 28, cwd: dirname(path) },
  );
  return { counts: parseCounts(stdout), exitCode: status ?? -1, stderr };
}

/** The counts of `qemu-img check --output=json`; undefined when there are none. */
export function parseCounts(stdout: string): Counts | undefined {
  if (!stdout.includes('{')) return undefined;
  const json = JSON.parse(stdout) as Record<string, number>;
  return {
    checkErrors: json['check-errors']!,
    corruptions: json['corruptions'] ?? 0,
    leaks: json['leaks'] ?? 0,
    imageEndOffset: json['image-end-offset'] ?? 0,
    totalClusters: json['total-clusters'] ?? 0,
    allocatedClusters: json['allocated-clusters'] ?? 0,
    compressedClusters: json['compressed-clusters'] ?? 0,
    fragmentedClusters: json['fragmented-clusters'] ?? 0,
  };
}

export function countsOf(report: CheckReport): Counts {
  const { checkErrors, corruptions, leaks, imageEndOffset, totalClusters } = report;
  const { allocatedClusters, compressedClusters, fragmentedClusters } = report;
  return {
    checkErrors,
    corruptions,
    leaks,
    imageEndOffset,
    totalClusters,
    allocatedClusters,
    compressedClusters,
    fragmentedClusters,
  };
}

/** The exit code that goes with a report of ours. */
export function exitCodeOf({ checkErrors, corruptions, leaks }: CheckReport): number {
  if (checkErrors > 0) return 1;
  if (corruptions > 0) return 2;
  return leaks > 0 ? 3 : 0;
}
