/** What a check has found in detail, in the words of qemu-img as far as it has some. */
import type { CheckFinding, CheckReport } from 'diskfile';
import type { Program } from '../program.ts';

/** One line for each cluster; the counts of the report tell of all. */
const MAX_LINES = 100_000;

/** Formats whose findings QEMU tells as it tells errors, behind the name of the program. */
const TOLD_AS_ERRORS: ReadonlySet<string> = new Set(['vhdx']);

type Speaker = Pick<Program, 'name' | 'isLookAlike'>;

/**
 * Empty when there is nothing to tell. By its own name the command also tells of what qemu-img has no
 * words for, and of how much is left out.
 */
export function findingsText(report: CheckReport, speaker: Speaker): string {
  const { findings, findingsOmitted, format, genuine } = report;
  const { name, isLookAlike } = speaker;
  if (genuine !== undefined) {
    return textOf(genuine.lines.map(({ text, isError }) => (isError ? `${name}: ${text}` : text)));
  }
  const start = TOLD_AS_ERRORS.has(format) ? `${name}: ` : '';
  const tellsAll = !isLookAlike && isAnythingCounted(report);
  const lines: string[] = [];
  let told = 0;
  for (const finding of findings) {
    if (lines.length >= MAX_LINES) break;
    for (const line of findingLines(finding, tellsAll)) lines.push(`${start}${line}`);
    told += 1;
  }
  const leftOut = findings.length - told + findingsOmitted;
  if (leftOut > 0 && tellsAll)
    lines.push(`There are ${leftOut} more findings, which are not listed`);
  const repaired = findings.slice(0, told).filter((finding) => finding.repaired);
  return textOf([...lines, ...repaired.flatMap((finding) => repairLines(finding, tellsAll))]);
}

function textOf(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join('');
}

/** Some findings are no errors; who is told that there is none is not told of those. */
function isAnythingCounted(report: CheckReport): boolean {
  const { checkErrors, corruptions, leaks, corruptionsFixed, leaksFixed } = report;
  return checkErrors + corruptions + leaks + corruptionsFixed + leaksFixed > 0;
}

function findingLines({ kind, counts, genuineText, message }: CheckFinding, tellsAll: boolean) {
  const what = kind === 'leak' ? 'Leaked' : 'ERROR';
  if (counts !== undefined) return clusterLines(what, counts);
  if (genuineText !== undefined) return [genuineText];
  return tellsAll ? [`${what}: ${message}`] : [];
}

function repairLines({ counts, genuineText, message }: CheckFinding, tellsAll: boolean) {
  if (counts !== undefined) return clusterLines('Repairing', counts);
  return tellsAll && genuineText === undefined ? [`Repaired: ${message}`] : [];
}

function clusterLines(what: string, counts: NonNullable<CheckFinding['counts']>): string[] {
  const { firstCluster, clusters, stored, counted } = counts;
  return Array.from(
    { length: Math.min(clusters, MAX_LINES) },
    (_, index) => `${what} cluster ${firstCluster + index} refcount=${stored} reference=${counted}`,
  );
}
