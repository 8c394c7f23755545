/** Where a new image is to be, and why it cannot be there. */
import { hostErrorText } from '@diskfile/command';
import { newFilePath } from 'diskfile';
import { statSync } from 'node:fs';
import { PROTOCOL_FORMATS } from '../formats/known-formats.ts';

/**
 * The path that a name stands for. A driver of files that is stated takes every name as it is, but
 * for its own.
 * @throws DiskError for a protocol that is not known
 */
export function targetPath(name: string, format: string): string {
  const isLiteral = PROTOCOL_FORMATS.has(format) && !name.startsWith(`${format}:`);
  return isLiteral ? name : newFilePath(name);
}

/** Why a name that asks for a device cannot be written to; undefined where that is not known. */
export function deviceFault(name: string, format: string): string | undefined {
  const driver = PROTOCOL_FORMATS.has(format) ? format : /^[^:/]*(?=:)/.exec(name)?.[0];
  if (driver !== 'host_device') return undefined;
  const path = targetPath(name, format);
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return notOpened(`Could not open '${path}': ${hostErrorText('ENOENT')}`);
  if (stats.isBlockDevice() || stats.isCharacterDevice()) return undefined;
  return notOpened(
    `'${driver}' driver requires '${path}' to be either a character or block device`,
  );
}

/** What is said of one that is in use. @param words as of a file */
export function lockedWords(path: string, words: string): string {
  const isDevice = statSync(path, { throwIfNoEntry: false })?.isBlockDevice() === true;
  return isDevice ? notOpened(words) : words;
}

/** Devices are not made, but opened. */
function notOpened(reason: string): string {
  return `Protocol driver 'host_device' does not support image creation, and opening the image failed: ${reason}`;
}
