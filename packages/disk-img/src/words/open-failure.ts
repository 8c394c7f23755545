/** Images that cannot be opened, and why. */
import { shownFrom, unreadWords } from '@diskfile/command';
import { DiskError } from 'diskfile';
import { Failure } from '../program.ts';
import { wordsOf, wordsOfWriting } from './disk-words.ts';
import { commandHint } from './hints.ts';

/** @throws what is no error of a disk */
export function openFailure(
  { filename, format }: { readonly filename: string; readonly format?: string | undefined },
  error: unknown,
  { exitCode = 1, writable = false }: { exitCode?: number | undefined; writable?: boolean } = {},
): Failure {
  const reason = shownFrom(filename, openReason(error, writable), error);
  return new Failure(`Could not open '${filename}': ${reason}`, {
    exitCode,
    cause: error,
    hint: isDamaged(error) && format !== undefined ? formatHint(format) : undefined,
  });
}

function isDamaged(error: unknown): boolean {
  if (!(error instanceof DiskError) || error.code !== 'corrupt') return false;
  return (error.context.depth ?? 0) === 0 && commandHint(error) === undefined;
}

function formatHint(format: string): string {
  return `Perhaps it is no ${format} image: without that format the one that it has is found out.`;
}

/**
 * What is wrong with an image below is said once for each image on the way there.
 * @throws what is no error of a disk
 */
export function openReason(error: unknown, writable = false): string {
  const { depth = 0 } = (error as DiskError).context ?? {};
  const said = writable && depth === 0 ? wordsOfWriting(error) : wordsOf(error);
  const words = (error instanceof DiskError ? unreadWords(error) : undefined) ?? said;
  return 'Could not open backing file: '.repeat(depth) + words;
}
