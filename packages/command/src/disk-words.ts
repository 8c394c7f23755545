/**
 * What QEMU 7.2 says where the library has a sentence of its own: one table by
 * `DiskError.detail`. What is not in it is said in the library's words.
 */
import { DiskError } from 'diskfile';
import { DAMAGE_WORDS } from './damage-words.ts';
import { formatName } from './format-names.ts';
import { hostErrorText } from './host-errors.ts';
import { QCOW2_DAMAGE_WORDS } from './qcow2-damage-words.ts';
import type { Words } from './words.ts';

const notInFormat: Words = ({ context }) =>
  `Image is not in ${formatName(context.format ?? 'any')} format`;
const hostReason: Words = ({ errno }) => hostErrorText(errno);
/** A file that could not be opened is named before the reason. */
const fileReason = (error: DiskError): string =>
  `Could not open '${error.context.path ?? ''}': ${hostErrorText(error.errno)}`;
/** The file that an image names, as it was looked for. */
const missingFile: Words = (error) =>
  error.cause instanceof DiskError ? fileReason(error.cause) : error.message;
const unknownDriver: Words = ({ message }) => `Unknown driver '${quotedIn(message)}'`;

const WORDS: Readonly<Record<string, Words>> = {
  ...DAMAGE_WORDS,
  ...QCOW2_DAMAGE_WORDS,
  'chain.not-amendable': ({ context }) =>
    `Format driver '${formatName(context.format ?? '')}' does not support option amendment`,
  'chain.base-too-short': 'Block job failed: Operation not supported',
  'chain.base-filtered':
    "Permission conflict on node '#block100': permissions 'resize' are both required by an unnamed block device (uses node '#block100' as 'root' child) and unshared by node '#block101' (uses node '#block100' as 'file' child).",
  'chain.stands-alone': 'Image does not have a backing file',
  'check.unknown-format': unknownDriver,
  'create.size': 'Image creation needs a size parameter',
  'create.names-itself':
    'Error: Trying to create an image with the same filename as the backing file',
  'graph.secret-file': (error) =>
    `${error.message}: Failed to open file “${error.context.path ?? ''}”: ${hostErrorText(error.errno)}`,
  'open.not-writable': 'Image is read-only',
  'open.names-itself': ({ context }) =>
    `Backing file '${context.path ?? ''}' creates an infinite loop.`,
  'open.unknown-format': unknownDriver,
  'open.force-share': 'force-share=on can only be used with read-only images',
  'check.force-share': 'force-share=on can only be used with read-only images',
  'qcow.encrypt-format': 'Unsupported encryption format',
  'qcow.magic': 'Image not in qcow format',
  'qcow2.create.cluster_size': 'Cluster size must be a power of two between 512 and 2048k',
  'qcow2.create.compat': choiceOf('version'),
  'qcow2.create.compression_type': choiceOf('compression-type'),
  'qcow2.create.data_file_raw': 'data-file-raw requires data-file',
  'qcow2.create.extended_l2':
    'Extended L2 entries are only supported with cluster sizes of at least 16384 bytes',
  'qcow2.create.preallocation':
    'Backing file and preallocation can only be used at the same time if extended_l2 is on',
  'qcow2.create.refcount_bits': 'Refcount width must be a power of two and may not exceed 64 bits',
  'qcow2.magic': notInFormat,
  'disk.preallocation': ({ message }) =>
    `Unsupported preallocation mode: ${/preallocation (\S+)/.exec(message)?.[1] ?? ''}`,
  'qcow2.disk-too-large': 'Failed to grow the L1 table: File too large',
  'qcow2.resize-uncovered': 'Failed to zero out new clusters: Operation not supported',
  'qcow2.resize-snapshots': "Can't resize a v2 image which has snapshots",
  'qcow2.refcount-table-unread': (error) =>
    `Could not initialize refcount handling: ${hostReason(error)}`,
  'qcow2.snapshot-not-found': 'snapshot not found',
  'disk.snapshot-not-found': 'snapshot not found',
  'qed.disk-too-large': 'Invalid image size specified',
  'qed.shrink': 'Shrinking images is currently not supported',
  'raw.preallocation': ({ message }) => `Unsupported preallocation mode: ${quotedIn(message)}`,
  'reference.protocol': ({ message }) =>
    `Unknown protocol '${/(?<=with the protocol ")[^"]*/.exec(message)?.[0] ?? ''}'`,
  'storage.host': fileReason,
  'storage.injected': hostReason,
  'storage.name-too-long': fileReason,
  'storage.not-found': fileReason,
  'storage.permission': fileReason,
  'storage.read-only': fileReason,
  'storage.device-too-small': 'Cannot grow device files',
  'storage.locked': (error) => lockWords(error, 'shared "write"'),
  'gate.not-found': missingFile,
  'storage.not-a-file': ({ context }) =>
    `'file' driver requires '${context.path ?? ''}' to be a regular file`,
  'storage.no-space': hostReason,
  'storage.quota': hostReason,
  'storage.window-size': 'Cannot resize fixed-size raw disks',
  'vdi.signature': ({ message }) =>
    `Image not in VDI format (bad signature ${/0x([0-9a-f]{8})/.exec(message)?.[1] ?? '00000000'})`,
  'vhd.no-footer': 'invalid VPC image',
  'vhd.too-small': 'File too small for a VHD header',
  'vhd.subformat': choiceOf('subformat'),
  'vhdx.log-size-zero': 'Log size must be a multiple of 1 MB',
  'vhdx.file-cut': fileReason,
  'vhdx.log-in-force': ({ context: { path = '' } }) =>
    `VHDX image file '${path}' opened read-only, but contains a log that needs to be replayed\n` +
    `To replay the log, run:\nqemu-img check -r all '${path}'`,
  'vhdx.metadata-item': fileReason,
  'vhdx.metadata-table': fileReason,
  'vhdx.no-header': 'No valid VHDX header found',
  'vhdx.no-region-table': fileReason,
  'vhdx.no-signature': fileReason,
  'vhdx.region-missing': fileReason,
  'vhdx.region-overlap': fileReason,
  'vhdx.region-place': fileReason,
  'vhdx.sector-size': fileReason,
  'vhdx.subformat': choiceOf('subformat'),
  'vhdx.too-large': 'Image size too large; max of 64TB',
  'vhdx.block-size': 'Block size must be a power of two',
  'vhdx.log-size': 'Log size must be smaller than 4 GB',
  'vmdk.adapter': ({ message }) => `invalid parameter value: ${quotedIn(message)}`,
  'vmdk.compat6': 'compat6 cannot be enabled with hwversion set',
  'vmdk.flat-backing': "Flat image can't have backing file",
  'vmdk.magic': 'invalid VMDK image descriptor',
  'vmdk.parent-format': 'backing_file must be a vmdk image',
  'vmdk.too-small': 'File is too small, not a valid image',
  'vmdk.subformat': ({ message }) => `invalid parameter value: ${quotedIn(message)}`,
  'vmdk.zeroed-grain': "Flat image can't enable zeroed grain",
};

function lockWords({ context }: DiskError, lock: string): string {
  return `Failed to get ${lock} lock\nIs another process using the image [${context.path ?? ''}]?`;
}

/** As {@link wordsOf}, of an image that is to be written. */
export function wordsOfWriting(error: unknown): string {
  const { detail, message } = error as DiskError;
  if (detail === 'storage.locked') return lockWords(error as DiskError, '"write"');
  // What is only read is looked at before it is refused.
  if (detail === 'storage.not-a-file' && message.includes('directory')) {
    return `Could not open '${(error as DiskError).context.path ?? ''}': ${hostErrorText('EISDIR')}`;
  }
  return wordsOf(error);
}

/** What QEMU would say. Errors of other kinds are bugs, and are thrown on. */
export function wordsOf(error: unknown): string {
  if (!(error instanceof DiskError)) throw error;
  if (error.detail.endsWith('.passphrase-missing')) return missingKeyWords(error.detail);
  const { purpose } = error.context;
  if (purpose !== undefined) return purposeWords(error, purpose);
  const words = WORDS[error.detail];
  if (words === undefined) return error.message;
  return typeof words === 'string' ? words : words(error);
}

type Purpose = NonNullable<DiskError['context']['purpose']>;

const PURPOSES: Readonly<Record<Purpose, string>> = {
  preallocation: 'Could not preallocate new data',
  'preallocated-zeros': 'Could not write zeros for preallocation',
  'l1-table': 'Failed to grow the L1 table',
  bat: 'Failed to write the BAT',
  'block-map': 'Error writing bmap',
};

function purposeWords(error: DiskError, purpose: Purpose): string {
  if (purpose === 'block-map') return PURPOSES[purpose];
  const isBelow = error.context.format === 'qcow2' && purpose.startsWith('preallocat');
  const prefix = isBelow ? 'Failed to resize underlying file: ' : '';
  // A file is made longer before zeros are written to it.
  const isLength = purpose === 'preallocated-zeros' && error.errno === 'EFBIG';
  const failed = isLength ? 'Could not resize file' : PURPOSES[purpose];
  return `${prefix}${failed}: ${hostErrorText(error.errno)}`;
}

/** @param of a format, or a detail that begins with one */
export function missingKeyWords(of: string): string {
  const option = of.startsWith('luks') ? 'key-secret' : 'encrypt.key-secret';
  return `Parameter '${option}' is required for cipher`;
}

function choiceOf(parameter: string): Words {
  return ({ message }) => `Parameter '${parameter}' does not accept value '${quotedIn(message)}'`;
}

/** What a message quotes, as it was before it was quoted. */
function quotedIn(message: string): string {
  const quoted = /"(?:[^"\\]|\\.)*"/.exec(message)?.[0];
  return quoted === undefined ? '' : (JSON.parse(quoted) as string);
}
