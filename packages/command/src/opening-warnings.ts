/** What QEMU warns of when it opens an image. */
import type { DiskWarning } from 'diskfile';

const STALE =
  'a program lacking bitmap support modified this file, so all bitmaps are now considered ' +
  'inconsistent';
const STALE_VERSION_2 =
  'This qcow2 v2 image contains bitmaps, but they may have been modified by software without ' +
  'persistent bitmap support; so now these bitmaps must all be considered inconsistent';
/** QEMU prints it without a line's end. */
const STALE_HINT = "Some clusters may be leaked, run 'qemu-img check -r' on the image file to fix.";

/**
 * The warnings that QEMU has words for.
 * @param tool the name in front of each
 */
export function openingWarnings(tool: string, warnings: readonly DiskWarning[]): string {
  return warnings.map((warning) => textOf(tool, warning)).join('');
}

function textOf(tool: string, { detail, message }: DiskWarning): string {
  if (detail === 'graph.empty-backing') return `${tool}: warning: ${message}\n`;
  if (detail !== 'qcow2.bitmaps-stale') return '';
  const words = message.includes('version 2') ? STALE_VERSION_2 : STALE;
  return `${tool}: warning: ${words}\n${STALE_HINT}`;
}
