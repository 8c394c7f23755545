/** What QEMU 7.2 says of an image that it does not open, where the library has a sentence of its own. */
import { DiskError } from 'diskfile';
import { QCOW2_HUGE_FIELDS } from './qcow2-damage-words.ts';
import type { Words } from './words.ts';

const VDI_BLOCK_BYTES = 2 ** 20;
const SECTOR_BYTES = 512;
const MAX_BOCHS_ENTRIES = 2 ** 20;
const MAX_CLOOP_BLOCKS = 536870911;
const NOT_BOCHS = 'Image not in Bochs format';

export const DAMAGE_WORDS: Readonly<Record<string, Words>> = {
  'bytes.integer-above-2^53': hugeFieldWords,
  'bochs.catalog-size': bochsCatalogWords,
  'bochs.extent-size': bochsExtentWords,
  'bochs.magic': NOT_BOCHS,
  'bochs.kind': NOT_BOCHS,
  'bochs.version': NOT_BOCHS,
  'cloop.block-size': cloopBlockWords,
  'cloop.block-count': (error) => `n_blocks ${numberIn(error)} must be ${MAX_CLOOP_BLOCKS} or less`,
  'cloop.block-length': (error) =>
    `invalid compressed block size at index ${Number(numberIn(error)) + 1}, image file is corrupt`,
  'cloop.block-order': (error) =>
    `offsets not monotonically increasing at index ${Number(numberIn(error)) + 1}, image file is corrupt`,
  'cloop.table-size': 'image requires too many offsets, try increasing block size',
  'luks.iterations': (error) =>
    error.code === 'corrupt' ? `${keyNameAt(error)} iteration count is zero` : error.message,
  'luks.key-bytes': (error) =>
    `Algorithm 'aes' with key size ${numberIn(error)} bytes not supported`,
  'luks.key-material': keyMaterialWords,
  'luks.magic': 'Volume is not in LUKS format',
  'luks.payload-offset': 'LUKS payload is overlapping with the header',
  'luks.slot-state': (error) => `Keyslot ${numberIn(error)} state (active/disable) is corrupted`,
  'luks.stripes': ({ message }) => {
    const [slot, stripes, wanted] = message.match(/\d+/g) ?? [];
    return `Keyslot ${slot} is corrupted (stripes ${BigInt.asIntN(32, BigInt(stripes!))} != ${wanted})`;
  },
  'luks.version': (error) => `LUKS version ${numberIn(error)} is not supported`,
  'parallels.not-closed': 'parallels: Image was not closed correctly; cannot be opened read/write',
  'parallels.tracks': (error) =>
    `Invalid image: ${numberIn(error) === '0' ? 'Zero sectors per track' : 'Too big cluster'}`,
  'parallels.nb-bat-entries': 'Catalog too large',
  'qcow.backing-name': 'Backing file name too long',
  'qcow.cluster-bits': 'Cluster size must be between 512 and 64k',
  'qcow.crypt-method': 'invalid encryption method in qcow header',
  'qcow.l1-table-too-large': 'Image too large',
  'qcow.l2-bits': 'L2 table size must be between 512 and 64k',
  'qcow.size': 'Image size is too small (must be at least 2 bytes)',
  'qcow.version': (error) => {
    const version = numberIn(error);
    const hint = version === '2' || version === '3' ? "\nTry the 'qcow2' driver instead." : '';
    return `qcow (v1) does not support qcow version ${version}${hint}`;
  },
  'qed.backing-filename-offset': 'QED backing filename offset is invalid',
  'qed.cluster-size': ofImage('QED cluster size is invalid'),
  'qed.features': (error) => `Unsupported QED features: ${numberIn(error).slice(2)}`,
  'qed.image-size': ofImage('QED image size is invalid'),
  'qed.l1-table-offset': 'QED table offset is invalid',
  'qed.magic': 'Image not in QED format',
  'qed.table-size': ofImage('QED table size is invalid'),
  'vdi.block-count': vdiMapWords,
  'vdi.data-offset': (error) => vdiWords(error, 'unaligned data offset #'),
  'vdi.disk-size': (error) => {
    const size = Number(numberIn(error)).toString(16);
    return `Unsupported VDI image size (size is 0x${size}, max supported is 0x1fffff8000000)`;
  },
  'vdi.map-offset': (error) => vdiWords(error, 'unaligned block map offset #'),
  'vdi.map-size': (error) => vdiWords(error, 'too many blocks #, max is 536870784'),
  'vdi.sector-size': (error) => vdiWords(error, 'sector size # is not 512'),
  'vdi.block-size': (error) => vdiWords(error, 'block size # is not 1048576'),
  'vdi.link-uuid': 'unsupported VDI image (non-NULL link UUID)',
  'vdi.parent-uuid': 'unsupported VDI image (non-NULL parent UUID)',
  'vdi.version': (error) => vdiWords(error, 'version #'),
  'vhd.block-size': (error) => `Invalid block size ${numberIn(error)}`,
  'vhd.header-cookie': 'Invalid header magic',
  'vhd.footer-checksum': 'Incorrect header checksum',
  'vhd.table-cut':
    'block-vpc: free_data_block_offset points after the end of file. The image has been truncated.',
  'vhd.table-entries': (error) =>
    `Max Table Entries too large (${BigInt.asIntN(32, BigInt(numberIn(error)))})`,
  'vhd.table-too-small': 'Page table too small',
  'vmdk.create-type': ({ message }) => `Unsupported image type ${/'[^]*'$/.exec(message)?.[0]}`,
  'vmdk.no-create-type': 'invalid VMDK image descriptor',
  'vmdk.descriptor-size': 'invalid VMDK image descriptor',
  'vmdk.directory-size': 'L1 size too big',
  'vmdk.grain-size': (error) =>
    numberIn(error) === '0' ? NO_L1_ENTRY : 'Invalid granularity, image may be corrupt',
  'vmdk.table-size': (error) => (numberIn(error) === '0' ? NO_L1_ENTRY : 'L2 table size too big'),
  'vmdk.se-sparse-read-only': 'No write support for seSparse images available',
  'vmdk.sparse-magic': 'Image not in VMDK format',
  'vmdk.truncated': ({ message }) =>
    `File truncated, expecting at least ${/\d+$/.exec(message)?.[0] ?? ''} bytes`,
  'vmdk.no-footer': 'Invalid footer',
  'vmdk.version-read-only': 'VMDK version 3 must be read only',
  'vmdk.version': (error) => `Unsupported VMDK version ${numberIn(error)}`,
};

const SMALL_CATALOG = 'Catalog size is too small for this disk size';
const NO_L1_ENTRY = 'L1 entry size is invalid';

/** By the field of 64 bits that says more than any file holds. */
const HUGE_FIELDS: Readonly<Record<string, (error: DiskError) => string>> = {
  disk: () => SMALL_CATALOG,
  capacity: () => 'Could not refresh total sector count: File too large',
  cbDisk: (error) =>
    `Unsupported VDI image size (size is ${numberIn(error)}, max supported is 0x1fffff8000000)`,
  grainSize: () => 'Invalid granularity, image may be corrupt',
  image_size: () => 'QED image size is invalid',
  l1_table_offset: () => 'QED table offset is invalid',
  nb_sectors: () => 'Could not refresh total sector count: File too large',
  overHead: (error) => {
    const bytes = BigInt.asIntN(64, BigInt(numberIn(error)) * BigInt(SECTOR_BYTES));
    return `File truncated, expecting at least ${bytes} bytes`;
  },
  tableOffset: () => 'Error reading pagetable',
};

const QCOW_HUGE_FIELDS: typeof HUGE_FIELDS = {
  backing_file_offset: () => 'Backing file name too long',
  size: () => 'Image too large',
};

const HUGE_FIELDS_OF_FORMAT: Readonly<Record<string, typeof HUGE_FIELDS>> = {
  qcow: QCOW_HUGE_FIELDS,
  qcow2: QCOW2_HUGE_FIELDS,
};

function hugeFieldWords(error: DiskError): string {
  const field = /^\w+/.exec(error.message)?.[0] ?? '';
  const fields = HUGE_FIELDS_OF_FORMAT[error.context.format ?? ''] ?? HUGE_FIELDS;
  return fields[field]?.(error) ?? error.message;
}

const LUKS_SLOTS_OFFSET = 208;
const LUKS_SLOT_BYTES = 48;

/** Whose iterations they are, by where the header has them. */
function keyNameAt({ context: { offset = 0 } }: DiskError): string {
  const slot = Math.floor((offset - LUKS_SLOTS_OFFSET) / LUKS_SLOT_BYTES);
  return slot < 0 ? 'LUKS key' : `Keyslot ${slot}`;
}

function keyMaterialWords({ message }: DiskError): string {
  const [slot, other] = message.match(/\d+/g) ?? [];
  if (other !== undefined) return `Keyslots ${slot} and ${other} are overlapping in the header`;
  const what = message.includes('begins within') ? 'LUKS header' : 'encrypted payload';
  return `Keyslot ${slot} is overlapping with the ${what}`;
}

/** The option of a new image that goes by the same name has words of its own. */
function ofImage(words: string): Words {
  return ({ code, message }) => (code === 'invalid-argument' ? message : words);
}

/** The first number of a message, as it is written there. */
function numberIn({ message }: DiskError): string {
  return /0x[0-9a-f]+|\d+(?:\.\d+)?/.exec(message)?.[0] ?? '';
}

function bochsCatalogWords(error: DiskError): string {
  return Number(numberIn(error)) > MAX_BOCHS_ENTRIES ? 'Catalog size is too large' : SMALL_CATALOG;
}

function bochsExtentWords(error: DiskError): string {
  const bytes = Number(numberIn(error));
  if (bytes < SECTOR_BYTES) return `Extent size must be at least ${SECTOR_BYTES}`;
  return `Extent size ${bytes} is ${Number.isInteger(Math.log2(bytes)) ? 'too large' : 'not a power of two'}`;
}

function cloopBlockWords(error: DiskError): string {
  const bytes = Number(numberIn(error));
  if (bytes === 0) return 'block_size cannot be zero';
  return bytes % SECTOR_BYTES === 0
    ? `block_size ${bytes} must be 64 MB or less`
    : `block_size ${bytes} must be a multiple of ${SECTOR_BYTES}`;
}

function vdiWords(error: DiskError, what: string): string {
  return `unsupported VDI image (${what.replace('#', numberIn(error))})`;
}

function vdiMapWords({ message }: DiskError): string {
  const [blocks, bytes] = (message.match(/\d+/g) ?? []).map(Number);
  const sizeBytes = Math.ceil(bytes! / SECTOR_BYTES) * SECTOR_BYTES;
  return (
    `unsupported VDI image (disk size ${sizeBytes}, image bitmap has room for ` +
    `${blocks! * VDI_BLOCK_BYTES})`
  );
}
