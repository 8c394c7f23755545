/** What a check has found, for people and as JSON. */
import { formatName, type JsonValue } from '@diskfile/command';
import type { CheckReport } from 'diskfile';

/** Formats whose check counts clusters. */
const COUNTED_FORMATS: ReadonlySet<string> = new Set(['qcow2', 'qed', 'parallels']);
/** Formats whose check tells where the image ends. */
const ENDED_FORMATS: ReadonlySet<string> = new Set(['qcow2', 'parallels']);

export function repairedText({ leaksFixed, corruptionsFixed }: CheckReport): string {
  return (
    'The following inconsistencies were found and repaired:\n\n' +
    `    ${leaksFixed} leaked clusters\n    ${corruptionsFixed} corruptions\n\n` +
    'Double checking the fixed image now...\n'
  );
}

export function humanCheck(report: CheckReport): string {
  const { format, corruptions, leaks, checkErrors, totalClusters, imageEndOffset } = report;
  const lines: string[] = [];
  if (corruptions > 0) {
    lines.push(
      `\n${corruptions} errors were found on the image.\n` +
        'Data may be corrupted, or further writes to the image may corrupt it.\n',
    );
  }
  if (leaks > 0) {
    lines.push(
      `\n${leaks} leaked clusters were found on the image.\n` +
        'This means waste of disk space, but no harm to data.\n',
    );
  }
  if (checkErrors > 0) {
    lines.push(`\n${checkErrors} internal errors have occurred during the check.\n`);
  }
  if (lines.length === 0) lines.push('No errors were found on the image.\n');
  const { allocatedClusters, fragmentedClusters, compressedClusters } = report;
  if (COUNTED_FORMATS.has(format) && totalClusters > 0 && allocatedClusters > 0) {
    lines.push(
      `${allocatedClusters}/${totalClusters} = ${percent(allocatedClusters, totalClusters)} allocated, ` +
        `${percent(fragmentedClusters, allocatedClusters)} fragmented, ` +
        `${percent(compressedClusters, allocatedClusters)} compressed clusters\n`,
    );
  }
  if (ENDED_FORMATS.has(format) && imageEndOffset > 0) {
    lines.push(`Image end offset: ${imageEndOffset}\n`);
  }
  return lines.join('');
}

/** The `%0.2f` of printf(3): halves go to the even neighbour. */
function percent(part: number, whole: number): string {
  const hundredths = (part * 10_000) / whole;
  const below = Math.floor(hundredths);
  const isHalf = hundredths - below === 0.5;
  const rounded = isHalf ? below + (below % 2) : Math.round(hundredths);
  return `${(rounded / 100).toFixed(2)}%`;
}

export function jsonCheck(filename: string, report: CheckReport): JsonValue {
  const { format } = report;
  const counted = COUNTED_FORMATS.has(format);
  const unlessZero = (count: number): number | undefined => (count === 0 ? undefined : count);
  return {
    filename,
    format: formatName(format),
    'check-errors': report.checkErrors,
    'image-end-offset': ENDED_FORMATS.has(format) ? unlessZero(report.imageEndOffset) : undefined,
    corruptions: unlessZero(report.corruptions),
    leaks: unlessZero(report.leaks),
    'corruptions-fixed': unlessZero(report.corruptionsFixed),
    'leaks-fixed': unlessZero(report.leaksFixed),
    'total-clusters': counted ? unlessZero(report.totalClusters) : undefined,
    'allocated-clusters': counted ? unlessZero(report.allocatedClusters) : undefined,
    'fragmented-clusters': counted ? unlessZero(report.fragmentedClusters) : undefined,
    'compressed-clusters': counted ? unlessZero(report.compressedClusters) : undefined,
  };
}
