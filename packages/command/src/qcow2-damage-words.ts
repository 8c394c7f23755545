/** What QEMU 7.2 says of a qcow2 image that it does not open. */
import type { DiskError } from 'diskfile';
import { hostErrorText } from './host-errors.ts';
import type { Words } from './words.ts';

const BACKING_INVALID = 'Invalid backing file offset';
const L1_INVALID = 'Active L1 table offset invalid';
const REFCOUNTS_INVALID = 'Reference count table offset invalid';
/** Of 64-bit offsets, below that of any cluster. */
const UNALIGNED_END = /[1-9a-f][0-9a-f]{0,1}$|[13579bdf]00$/;

export const QCOW2_DAMAGE_WORDS: Readonly<Record<string, Words>> = {
  'qcow2.backing-name': 'Backing file name too long',
  'qcow2.backing-name-offset': BACKING_INVALID,
  'qcow2.cluster-bits': ({ message }) =>
    `Unsupported cluster size: ${/2\^\d+/.exec(message)?.[0] ?? ''}`,
  'qcow2.compression-bit': ({ message }) =>
    'qcow2: Compression type incompatible feature bit must ' +
    (message.startsWith('Compression type 0 ') ? 'not be set' : 'be set'),
  'qcow2.compression-type': ({ message }) =>
    `qcow2: unknown compression type: ${numberIn(message)}`,
  'qcow2.crypt-method': ({ message }) =>
    `Unsupported encryption method ${BigInt.asIntN(32, BigInt(numberIn(message)))}`,
  'qcow2.data-file-name': "'data-file' is required for this image",
  'qcow2.header': 'qcow2 header too short',
  'qcow2.header-beyond-cluster': 'qcow2 header exceeds cluster size',
  'qcow2.header-extension-length': 'Header extension too large',
  'qcow2.header-length': 'qcow2 header too short',
  'qcow2.image-too-big': 'Image is too big',
  'qcow2.larger-than-files': 'Could not refresh total sector count: File too large',
  'qcow2.incompatible-feature': unknownFeatures,
  'qcow2.l1-table-too-large': 'Active L1 table too large',
  'qcow2.l1-table-too-small': 'L1 table is too small',
  'qcow2.l1-table-unaligned': L1_INVALID,
  'qcow2.marked-corrupt': 'qcow2: Image is corrupt; cannot be opened read/write',
  'qcow2.not-repaired': ({ message }) =>
    `Could not repair dirty image: ${hostErrorText(/E[A-Z]+$/.exec(message)?.[0] ?? 'EIO')}`,
  'qcow2.raw-without-data-file': 'data-file-raw requires a data file',
  'qcow2.refcount-order': 'Reference count entry width too large; may not exceed 64 bits',
  'qcow2.refcount-table-size': ({ message }) =>
    numberIn(message) === '0'
      ? 'Image does not contain a reference count table'
      : 'Reference count table too large',
  'qcow2.refcount-table-unaligned': REFCOUNTS_INVALID,
  'qcow2.bitmap-inconsistent': ({ message }) =>
    `Bitmap '${/"(.*)"/.exec(message)?.[1] ?? ''}' is inconsistent and cannot be used\n` +
    'Try block-dirty-bitmap-remove to delete this bitmap from disk',
  'qcow2.snapshot-count': 'Snapshot table too large',
  'qcow2.snapshot-extra-data': ({ message }) =>
    `Too much extra metadata in snapshot table entry ${/^Snapshot (\d+)/.exec(message)?.[1] ?? 0}\n` +
    'You can force-remove this extra metadata with qemu-img check -r all',
  'qcow2.snapshot-l1-table-too-large': 'Snapshot L1 table too large',
  'qcow2.snapshot-l1-table-unaligned': 'Snapshot L1 table offset invalid',
  'qcow2.snapshot-table-size': ({ message }) => {
    const [index, entries] = (message.match(/\d+/g) ?? []).map(Number);
    return (
      'Snapshot table is too big\n' +
      `You can force-remove all ${entries! - index!} overhanging snapshots with qemu-img check -r all`
    );
  },
  'qcow2.snapshot-table-unaligned': 'Snapshot table offset invalid',
  'qcow2.version': ({ message }) => `Unsupported qcow2 version ${numberIn(message)}`,
};

/** By the field of 64 bits that says more than any file holds. */
export const QCOW2_HUGE_FIELDS: Readonly<Record<string, (error: DiskError) => string>> = {
  backing_file_offset: () => BACKING_INVALID,
  l1_table_offset: ({ message }) =>
    UNALIGNED_END.test(hexIn(message)) || isNegative(message)
      ? L1_INVALID
      : 'Could not read L1 table: Input/output error',
  refcount_table_offset: () => REFCOUNTS_INVALID,
  snapshots_offset: () => 'Snapshot table offset invalid',
};

/** Features that the image has names for, and the bits of the others. */
function unknownFeatures({ message }: DiskError): string {
  const names = JSON.parse(`[${message.slice(message.indexOf('"'))}]`) as string[];
  const bitOf = (name: string): string | undefined => /^unknown bit (\d+)$/.exec(name)?.[1];
  const named = names.filter((name) => bitOf(name) === undefined);
  const mask = names.reduce((sum, name) => {
    const bit = bitOf(name);
    return bit === undefined ? sum : sum + 2n ** BigInt(bit);
  }, 0n);
  const unnamed = mask === 0n ? [] : [`Unknown incompatible feature: ${mask.toString(16)}`];
  return `Unsupported qcow2 feature(s): ${[...named, ...unnamed].join(', ')}`;
}

function numberIn(message: string): string {
  return /\b\d+/.exec(message)?.[0] ?? '';
}

function hexIn(message: string): string {
  return /0x[0-9a-f]+/.exec(message)?.[0] ?? '';
}

/** Whether a number of 64 bits has its highest bit set. */
function isNegative(message: string): boolean {
  return /0x[89a-f][0-9a-f]{15}$/.test(hexIn(message));
}
