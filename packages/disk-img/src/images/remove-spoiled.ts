/** What QEMU does to a file in whose place an image cannot be made. */
import { lstatSync, rmSync } from 'node:fs';
import { DiskError, newFilePath, openDiskFileSync } from 'diskfile';
import type { Program } from '../program.ts';
import { OPEN_GATE } from './open-image.ts';

/** Formats that make the file first, and remove it again. */
const REMOVING: ReadonlySet<string> = new Set(['luks', 'qcow2']);
const SECRET_FAULTS: ReadonlySet<string> = new Set(['graph.no-secret', 'graph.secret-no-text']);

/** A file is removed for the sake of a secret, as QEMU removes it, unless somebody is using it. */
export function removeSpoiled(
  program: Program,
  { target, format }: { readonly target: string; readonly format: string },
  error: unknown,
): void {
  const isFault = error instanceof DiskError && SECRET_FAULTS.has(error.detail);
  if (!program.isLookAlike || !REMOVING.has(format) || !isFault) return;
  try {
    const path = newFilePath(target);
    if (!lstatSync(path).isFile()) return;
    // Fails for an image in use.
    openDiskFileSync(path, { format: 'raw', readOnly: false, gate: OPEN_GATE }).closeSync();
    rmSync(path);
  } catch {
    // The secret is what is told of.
  }
}
