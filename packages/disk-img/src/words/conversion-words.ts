/** Why a conversion came to nothing, in the words of qemu-img. */
import { fullPath, hostErrorText, requestReason, shownFrom } from '@diskfile/command';
import { DiskError, type DiskFile } from 'diskfile';
import type { OptionValues } from '../arguments/option-list.ts';
import { lockedWords, targetPath } from '../images/target-path.ts';
import { Failure } from '../program.ts';
import { creationWords } from './creation-words.ts';
import { wordsOf, wordsOfWriting } from './disk-words.ts';
import { openReason } from './open-failure.ts';

export interface ConversionTarget {
  readonly target: string;
  readonly format: string;
  readonly values: OptionValues;
  readonly list: string;
  /** What the image is made for. */
  readonly while?: string;
  /** Names of the files that are read. */
  readonly sources: readonly string[];
}

const ASKED = {
  read: 'reading at byte',
  write: 'writing at byte',
  'block-status': 'reading block status at offset',
} as const;

/** For {@link ConversionTarget.sources}: those of the images below as well. */
export function filesOf(disk: DiskFile): string[] {
  return disk.info().map(({ path }) => path);
}

/** @throws what is no failure of a disk, and what a signal made of it */
export function conversionWords(
  error: unknown,
  { target, format, values, sources, while: purpose = `converting ${format}` }: ConversionTarget,
): Failure {
  if (error instanceof Failure) return error;
  if (!(error instanceof DiskError) || error.code === 'aborted') throw error;
  const { op, offset, depth = 0 } = error.context;
  const reason = hostErrorText(error.errno);
  if (error.detail === 'convert.target-too-small') {
    return new Failure('output file is smaller than input file', { cause: error });
  }
  if (error.detail === 'graph.protocol') return new Failure(error.message, { cause: error });
  if (error.detail === 'storage.locked') {
    const locked = fullPath(error.context.path ?? target);
    const isSource = sources.some((name) => fullPath(name) === locked);
    const words = lockedWords(targetPath(target, format), wordsOfWriting(error));
    return new Failure(`${target}: error while ${purpose}: ${words}`, {
      cause: error,
      hint: isSource ? 'It is what is read: give the new image another name.' : undefined,
    });
  }
  const { request, guestOffset } = error.context;
  const isOverwrite = error.detail === 'qcow2.compressed-overwrite';
  if (request !== undefined && error.code !== 'unsupported' && !isOverwrite) {
    const words = `error while ${ASKED[request]} ${guestOffset ?? 0}: ${requestReason(error)}`;
    return new Failure(words, { cause: error });
  }
  if (depth > 0 || error.detail === 'gate.not-found') {
    // The image below is needed to make one of VMDK, and else where the new one is opened.
    if (format === 'vmdk') {
      const words = shownFrom(target, wordsOf(error), error);
      return new Failure(`${target}: error while ${purpose}: ${words}`, { cause: error });
    }
    const prefix = depth === 0 ? 'Could not open backing file: ' : '';
    const words = shownFrom(target, `${prefix}${openReason(error)}`, error);
    return new Failure(`Could not open '${target}': ${words}`, { cause: error });
  }
  if (isOverwrite) {
    return new Failure(`error while writing at byte ${offset ?? 0}: ${reason}`, { cause: error });
  }
  if (op === 'read' && error.code !== 'invalid-argument') {
    const errno = error.detail === 'vmdk.parent-cid' ? 'EINVAL' : 'EIO';
    return new Failure(`error while reading at byte ${offset ?? 0}: ${hostErrorText(errno)}`, {
      cause: error,
    });
  }
  const isOfTarget =
    op === 'create' || error.detail === 'storage.not-a-file' || error.code === 'no-space';
  if (values.size === 0 && !isOfTarget) return new Failure(wordsOf(error), { cause: error });
  const words = creationWords(error, { format, path: targetPath(target, format), values });
  return new Failure(`${target}: error while ${purpose}: ${words}`, { cause: error });
}
