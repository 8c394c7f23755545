/**
 * Disk images of formats that cannot be read yet. Taken for raw disks they would show a guest that
 * is not there, so an image that was not declared raw is refused when it carries such a magic.
 */
import { DiskError } from '@diskfile/bytes';
import { closeStorage, readBytes, type Step, type Storage } from '@diskfile/core';

/** Magic bytes at the start of a file. */
interface ForeignMagic {
  readonly format: string;
  readonly bytes: string;
}

/** From each format's own specification or manual. */
const MAGICS: readonly ForeignMagic[] = [
  { format: 'ASIF', bytes: 'shdw' },
  { format: 'sparseimage', bytes: 'sprs' },
];
const HEAD_BYTES = 128;

/**
 * @param opened closed when the file is refused or cannot be read
 * @throws DiskError `unsupported` (`open.foreign-format`)
 */
export function* refuseForeignFormat(storage: Storage, opened: readonly Storage[]): Step<void> {
  try {
    const found = yield* findMagic(storage);
    if (found !== undefined) throw foreignFormat(storage, found);
  } catch (error) {
    for (const each of opened) yield* closeStorage(each);
    throw error;
  }
}

function* findMagic(storage: Storage): Step<ForeignMagic | undefined> {
  const { sizeBytes } = storage;
  const head = yield* readBytes(storage, 0, Math.min(sizeBytes, HEAD_BYTES));
  return MAGICS.find(({ bytes }) => holds(head, bytes));
}

function foreignFormat({ name }: Storage, { format }: ForeignMagic): DiskError {
  return new DiskError(
    'unsupported',
    'open.foreign-format',
    `${name} looks like a ${format} file, which cannot be read`,
    {
      op: 'open',
      path: name,
      hint: 'Convert or unpack it first, or state the format raw to see its bytes as they are.',
    },
  );
}

function holds(bytes: Uint8Array, magic: string): boolean {
  if (bytes.length < magic.length) return false;
  for (let index = 0; index < magic.length; index++) {
    if (bytes[index] !== magic.charCodeAt(index)) return false;
  }
  return true;
}
