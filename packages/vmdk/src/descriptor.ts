/**
 * The descriptor: a text of `name=value` lines and one line for each extent ("Virtual Disk Format",
 * section "The Descriptor File"). It stands alone in a file, or within a sparse extent.
 */
import { decodeName, type DiskError } from '@diskfile/bytes';
import { corrupt, unsupported } from './refusals.ts';
import { SECTOR_BYTES } from './structs.ts';

/** Nobody writes one that is nearly as long; a disk of 62 TiB in parts of 2 GiB takes 2 MiB. */
export const MAX_DESCRIPTOR_BYTES = 4 * 1024 * 1024;
/** Of a line that errors show; those that programs write are shorter. */
const MAX_SHOWN_LENGTH = 1024;
const MAX_EXTENTS = 32_768;

export interface ExtentLine {
  readonly access: 'RW' | 'RDONLY' | 'NOACCESS';
  readonly sizeBytes: number;
  /** `SPARSE`, `FLAT`, `ZERO`, `VMFS`, … */
  readonly type: string;
  readonly filename: string | undefined;
  /** Of a flat extent: where its bytes begin in the file. */
  readonly offset: number;
}

export interface Descriptor {
  readonly createType: string;
  /** Identity of the content: eight hexadecimal digits. */
  readonly cid: string;
  /** The {@link cid} of the parent; undefined for a disk that stands alone. */
  readonly parentCid: string | undefined;
  readonly parentFileNameHint: string | undefined;
  readonly extents: readonly ExtentLine[];
  /** The disk data base: `ddb.…` lines. */
  readonly database: Readonly<Record<string, string>>;
}

const NO_PARENT = 'ffffffff';
/** Section "The Header", and what VMware's programs have written since. */
const CREATE_TYPES: ReadonlySet<string> = new Set([
  'monolithicSparse',
  'monolithicFlat',
  'twoGbMaxExtentSparse',
  'twoGbMaxExtentFlat',
  'streamOptimized',
  'fullDevice',
  'partitionedDevice',
  'custom',
  'vmfs',
  'vmfsSparse',
  'vmfsThin',
  'vmfsEagerZeroedThick',
  'vmfsPreallocated',
  'vmfsRaw',
  'vmfsRDM',
  'vmfsRDMP',
  'vmfsRawDeviceMap',
  'vmfsPassthroughRawDeviceMap',
  'seSparse',
]);

/** @param bytes the text, up to its end or to the first NUL */
export function parseDescriptor(bytes: Uint8Array): Descriptor {
  const end = bytes.indexOf(0);
  const lines = decodeText(end === -1 ? bytes : bytes.subarray(0, end)).split(/\r\n|\n|\r/);
  const values = new Map<string, string>();
  const extents: ExtentLine[] = [];
  for (const line of lines) {
    const extent = parseExtentLine(line);
    if (extent !== undefined) extents.push(extent);
    else parseValueLine(line, values);
    if (extents.length > MAX_EXTENTS) {
      throw corrupt(
        'vmdk.extent-count',
        `The descriptor names more than ${MAX_EXTENTS} extents`,
        0,
      );
    }
  }
  const createType = values.get('createtype');
  if (createType === undefined) {
    throw corrupt(
      'vmdk.no-create-type',
      'The descriptor does not say of which type the disk is',
      0,
    );
  }
  if (!CREATE_TYPES.has(createType)) {
    throw unsupported(
      'vmdk.create-type',
      `The disk is of the unknown type '${createType.slice(0, MAX_SHOWN_LENGTH)}'`,
      'Set createType in the descriptor to what its extents are.',
    );
  }
  const parentCid = cidOf(values.get('parentcid') ?? NO_PARENT);
  return {
    createType,
    cid: cidOf(values.get('cid') ?? NO_PARENT),
    parentCid: parentCid === NO_PARENT ? undefined : parentCid,
    parentFileNameHint: values.get('parentfilenamehint'),
    extents,
    database: Object.fromEntries([...values].filter(([name]) => name.startsWith('ddb.'))),
  };
}

/**
 * VMware for Windows writes descriptors in the code page of the machine, and says in which. What is
 * UTF-8 all the same is that: whoever copies disks to another system likes to set names right only.
 */
function decodeText(bytes: Uint8Array): string {
  const text = decodeName(bytes);
  if (!/[\udc80-\udcff]/.test(text)) return text;
  const [, encoding] = /^[ \t]*encoding[ \t]*=[ \t]*"?([\w.:-]{1,40})/im.exec(text) ?? [];
  if (encoding === undefined || /^utf-?8$/i.test(encoding)) return text;
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch {
    // Neither the platform nor the file knows better.
    return text;
  }
}

function cidOf(text: string): string {
  return text.toLowerCase().padStart(8, '0');
}

function parseValueLine(line: string, values: Map<string, string>): void {
  const match = /^\s*([A-Za-z][\w.-]*)\s*=\s*(?:"([^"]*)"|(\S*))/.exec(line);
  if (match === null) return;
  const [, name, quoted, plain] = match;
  // Names are compared without regard to case; the first of two counts.
  const key = name!.toLowerCase();
  if (!values.has(key)) values.set(key, quoted ?? plain ?? '');
}

function parseExtentLine(line: string): ExtentLine | undefined {
  const match =
    /^\s*(RW|RDONLY|NOACCESS)\s+(\d{1,16})\s+([A-Z]\w*)(?:\s+"([^"]*)("?)(?:\s+(-?\d{1,16}))?)?/.exec(
      line,
    );
  if (match === null) return undefined;
  const [, access, sectors, type, filename, closingQuote, givenOffset] = match;
  if (filename !== undefined) {
    if (closingQuote === '' || (access === 'RW' && !hasItsOffset(type!, givenOffset))) {
      throw invalidLine(line);
    }
  }
  const offset = givenOffset ?? '0';
  const extent: ExtentLine = {
    access: access as ExtentLine['access'],
    sizeBytes: Number(sectors) * SECTOR_BYTES,
    type: type!,
    filename,
    offset: Number(offset) * SECTOR_BYTES,
  };
  if (Number.isSafeInteger(extent.sizeBytes + extent.offset)) return extent;
  throw corrupt('vmdk.extent-size', `An extent of ${sectors} sectors at ${offset}`, 0);
}

/** A flat extent lies somewhere in its file; all others are files of their own. */
function hasItsOffset(type: string, offset: string | undefined): boolean {
  if (type === 'FLAT') return offset !== undefined && !offset.startsWith('-');
  return offset === undefined;
}

function invalidLine(line: string): DiskError {
  return corrupt('vmdk.extent-line', `Invalid extent line: ${line.slice(0, MAX_SHOWN_LENGTH)}`, 0);
}
