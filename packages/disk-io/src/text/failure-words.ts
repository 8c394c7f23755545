/** Why something failed, in the words of QEMU and of the C library. */
import { hostErrorText, unreadWords, wordsOf } from '@diskfile/command';
import { DiskError } from 'diskfile';

const FILE_DETAILS: ReadonlySet<string> = new Set([
  'storage.not-found',
  'storage.permission',
  'storage.read-only',
  'storage.name-too-long',
  'storage.symlink-loop',
]);

/** Why an image could not be opened. @throws what is no failure of a disk */
export function openReason(error: unknown, writable: boolean): string {
  if (!(error instanceof DiskError)) throw error;
  const { depth = 0 } = error.context;
  return 'Could not open backing file: '.repeat(depth) + ownReason(error, writable && depth === 0);
}

function ownReason(error: DiskError, writable: boolean): string {
  const { detail, message, context, errno } = error;
  const path = context.path ?? '';
  if (detail.endsWith('.passphrase-missing')) {
    const option = detail.startsWith('luks') ? 'key-secret' : 'encrypt.key-secret';
    return `Parameter '${option}' is required for cipher`;
  }
  if (detail === 'storage.not-a-file') {
    return writable && message.includes('directory')
      ? `Could not open '${path}': ${hostErrorText('EISDIR')}`
      : `'file' driver requires '${path}' to be a regular file`;
  }
  const unread = unreadWords(error);
  if (unread !== undefined) return unread;
  if (detail === 'storage.locked') {
    const lock = writable ? '"write"' : 'shared "write"';
    return `Failed to get ${lock} lock\nIs another process using the image [${path}]?`;
  }
  if (FILE_DETAILS.has(detail)) return `Could not open '${path}': ${hostErrorText(errno)}`;
  return wordsOf(error);
}

/** Why the host refused something that is no disk. */
export function hostReason(error: unknown): string {
  const errno = error instanceof Error && 'code' in error ? String(error.code) : '';
  return errno === '' ? String(error) : hostErrorText(errno);
}

/** Why an opened disk could not be changed. @throws what is no failure of a disk */
export function changeReason(error: unknown, format = ''): string {
  if (!(error instanceof DiskError)) throw error;
  if (error.detail === 'disk.preallocation') {
    const [, mode] = /preallocation (\S+) here/.exec(error.message) ?? [];
    if (mode !== undefined) return `Unsupported preallocation mode: ${mode}`;
    return format === 'qcow2'
      ? "Preallocation can't be used for shrinking an image"
      : 'Cannot use preallocation for shrinking files';
  }
  if (error.context.purpose !== undefined) return wordsOf(error);
  const isOfHost = error.code === 'io' || error.detail === 'storage.injected';
  if (isOfHost && (format === 'qcow2' || format === 'qed')) {
    return `Failed to update the image size: ${hostErrorText(error.errno)}`;
  }
  return CHANGE_WORDS[error.detail] ?? error.message;
}

const CHANGE_WORDS: Readonly<Record<string, string>> = {
  'storage.file-too-large': 'Could not resize file: File too large',
  'storage.disk-size': 'Image format driver does not support resize',
  'storage.window-size': 'Cannot resize fixed-size raw disks',
  'qed.shrink': 'Shrinking images is currently not supported',
};
