/** The options of `qemu-img create -f vhdx`, and the parent of a differencing disk. */
import { alignUp, DiskError } from '@diskfile/bytes';
import { type CreateContext, quote, type Step } from '@diskfile/core';
import { MIB } from './structs.ts';

export interface VhdxParent {
  readonly relativePath: string;
  readonly dataWriteGuid: string;
}

export interface CreateLayout {
  readonly sizeBytes: number;
  readonly blockBytes: number;
  readonly logBytes: number;
  readonly isFixed: boolean;
  /** Whether blocks that are not there are said to be zero. */
  readonly zeroBlocks: boolean;
  readonly parent: VhdxParent | undefined;
}

const KNOWN_OPTIONS = 'Known options: subformat, block_size, log_size, block_state_zero.';
const GIB = 1024 * MIB;
const MAX_DISK_BYTES = 64 * 1024 * GIB;
const MAX_BLOCK_BYTES = 256 * MIB;
/** Entries of the log are found by offsets of 32 bits. */
const MAX_LOG_BYTES = 2 * GIB;

export function* parseCreateOptions(context: CreateContext): Step<CreateLayout> {
  const { sizeBytes, backing, options } = context;
  const {
    subformat = 'dynamic',
    block_size: blockSize = 0,
    log_size: logSize = MIB,
    block_state_zero: zeroBlocks = true,
    ...unknown
  } = options;
  for (const name of Object.keys(unknown)) {
    const message = `VHDX disks have no option ${quote(name)}`;
    throw refused('vhdx.option', message, KNOWN_OPTIONS);
  }
  if (subformat !== 'dynamic' && subformat !== 'fixed') {
    throw refused(
      'vhdx.subformat',
      `subformat is dynamic or fixed, not ${quote(String(subformat))}`,
    );
  }
  if (backing !== undefined && subformat === 'fixed') {
    throw refused('vhdx.fixed-backing', 'A fixed disk cannot have a parent');
  }
  if (sizeBytes > MAX_DISK_BYTES) {
    throw refused('vhdx.too-large', 'A VHDX disk has 64 TiB at most');
  }
  const logBytes = wholeNumber('log_size', logSize);
  if (logBytes === 0) throw refused('vhdx.log-size-zero', 'log_size is 1 MiB at least');
  if (logBytes > MAX_LOG_BYTES) throw refused('vhdx.log-size', 'log_size is 2 GiB at most');
  return {
    sizeBytes,
    blockBytes: blockBytesOf(wholeNumber('block_size', blockSize), sizeBytes),
    logBytes: alignUp(Math.max(logBytes, MIB), MIB),
    isFixed: subformat === 'fixed',
    zeroBlocks: isOn(zeroBlocks),
    parent: backing === undefined ? undefined : yield* parentOf(context),
  };
}

/** Small disks have small blocks, as those of QEMU do. */
function blockBytesOf(wanted: number, sizeBytes: number): number {
  if (wanted === 0) {
    if (sizeBytes > 32 * 1024 * GIB) return 64 * MIB;
    if (sizeBytes > 100 * GIB) return 32 * MIB;
    return sizeBytes > GIB ? 16 * MIB : 8 * MIB;
  }
  const rounded = Math.min(alignUp(wanted, MIB), MAX_BLOCK_BYTES);
  if (Number.isInteger(Math.log2(rounded))) return rounded;
  throw refused('vhdx.block-size', 'block_size is a power of two from 1 MiB to 256 MiB');
}

function wholeNumber(name: string, value: string | number | boolean): number {
  const number = Number(value);
  if (typeof value !== 'boolean' && Number.isSafeInteger(number) && number >= 0) return number;
  throw refused('vhdx.option-value', `${name} is a number of bytes, not ${quote(String(value))}`);
}

function isOn(value: string | number | boolean): boolean {
  if (value === true || value === 'on' || value === 'true') return true;
  if (value === false || value === 'off' || value === 'false') return false;
  throw refused('vhdx.option-value', `block_state_zero is on or off, not ${quote(String(value))}`);
}

function* parentOf({ backing, describeBacking }: CreateContext): Step<VhdxParent> {
  const { name, format } = backing!;
  const { dataWriteGuid } = format === 'vhdx' ? yield* describeBacking!() : {};
  if (typeof dataWriteGuid !== 'string') {
    throw refused('vhdx.parent-format', 'The parent of a differencing disk has to be a VHDX disk');
  }
  if (/^([A-Za-z]:|[\\/])/.test(name)) {
    throw refused('vhdx.parent-path', 'The parent has to be named relative to the new disk');
  }
  return {
    relativePath: name.replace(/^(\.\/)+/, '').replaceAll('/', '\\'),
    dataWriteGuid,
  };
}

function refused(detail: string, message: string, hint?: string): DiskError {
  const context = { op: 'create', format: 'vhdx', layer: 'format' };
  return new DiskError(
    'invalid-argument',
    detail,
    message,
    hint === undefined ? context : { ...context, hint },
  );
}
