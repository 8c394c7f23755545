/** What a check has found in detail, in the words of qemu-img as far as it has some. */
import type { CheckFinding, CheckReport } from 'diskfile';

/** One line for each cluster; the counts of the report tell of all. */
const MAX_LINES = 100_000;

/** Formats whose findings QEMU tells as it tells errors, behind the name of the program. */
const TOLD_AS_ERRORS: ReadonlySet<string> = new Set(['vhdx']);

/** Empty when there is nothing to tell. */
export function findingsText(report: CheckReport, programName: string): string {
  const { findings, format, genuine } = report;
  if (genuine !== undefined) {
    return genuine.lines
      .map(({ text, isError }) => (isError ? `${programName}: ${text}\n` : `${text}\n`))
      .join('');
  }
  if (format !== 'qcow2') {
    const start = TOLD_AS_ERRORS.has(format) ? `${programName}: ` : '';
    return findings
      .flatMap(({ genuineText }) => (genuineText === undefined ? [] : `${start}${genuineText}\n`))
      .join('');
  }
  const lines: string[] = [];
  for (const finding of findings) {
    if (lines.length >= MAX_LINES) break;
    lines.push(...countLines(finding));
  }
  const repairs = findings.filter(({ repaired }) => repaired).flatMap(repairLines);
  return [...lines, ...repairs].map((line) => `${line}\n`).join('');
}

function countLines({ kind, counts }: CheckFinding): string[] {
  const what = kind === 'leak' ? 'Leaked' : 'ERROR';
  return clusterLines(what, counts);
}

function repairLines({ counts }: CheckFinding): string[] {
  return clusterLines('Repairing', counts);
}

function clusterLines(what: string, counts: CheckFinding['counts']): string[] {
  if (counts === undefined) return [];
  const { firstCluster, clusters, stored, counted } = counts;
  return Array.from(
    { length: Math.min(clusters, MAX_LINES) },
    (_, index) => `${what} cluster ${firstCluster + index} refcount=${stored} reference=${counted}`,
  );
}
