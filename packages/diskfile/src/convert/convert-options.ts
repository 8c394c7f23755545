/** What a conversion can be told, and what it tells. */
import { DiskError } from '@diskfile/bytes';
import {
  checkFields,
  checkOptions,
  type DiskFile,
  type FormatOptions,
  type OptionKinds,
} from '@diskfile/core';
import type { ChainProgress } from '../chain/chain-options.ts';
import { checkedLimits } from '../open/limits.ts';
import type { OpenDiskFileOptions } from '../open/open-disk-file.ts';
import type { Passphrase } from '../open/passphrases.ts';
import type { ZeroSearch } from './data-runs.ts';
import type { UnreadableRange } from './salvage.ts';

const SECTOR_BYTES = 512;

/** QEMU's default: shorter runs of zeros within data are written as they are. */
const DEFAULT_SPARSE_BYTES = 4096;

/** A path or `file:` URL, or a disk, which stays open. */
export type ConvertSource = string | URL | DiskFile;

/** How files are opened that a conversion is given by name. */
export type ConvertAccess = Pick<OpenDiskFileOptions, 'gate' | 'limits' | 'formats' | 'secrets'>;

export interface ConvertDiskFileOptions extends ConvertAccess {
  /** Format of the new disk. Not used when the target is a disk. */
  readonly format: string;
  /** What that format alone knows, under the names that qemu-img gives with `-o`. */
  readonly options?: FormatOptions;
  /** What the target is encrypted with, where its format or its options say that it is. */
  readonly passphrase?: Passphrase;
  /** How sources are opened that are given by their names. */
  readonly source?: Omit<OpenDiskFileOptions, 'readOnly'>;
  /** Compresses what is written; for formats that have that. Some images take nothing else. */
  readonly compress?: boolean;
  /** How much effort goes into compressing; each compression has its own scale and default. */
  readonly compressionLevel?: number;
  /**
   * Keeps an image below the new disk: what the source has from that image is left out and read
   * from there, and zeros cover the rest of it. Without it the new disk stands alone. Not for
   * several sources. An image that is there is below it already, whatever its name here.
   */
  readonly backing?: KeptBacking;
  /** Part of the source to convert; all of it by default. Whole sectors of 512 bytes. */
  readonly range?: { readonly guestOffset: number; readonly lengthBytes: number };
  /**
   * Runs of zeros within data from this length on are left out, in whole sectors; 0 writes all
   * zeros, holes too. Default 4096.
   */
  readonly sparseBytes?: number;
  /**
   * Writes into the image that is there, which is large enough, in place of a new one. So does a
   * target that is a disk.
   */
  readonly intoExisting?: boolean;
  /** With `intoExisting`: it reads as zeros all over, so that zeros need not be written. */
  readonly targetIsZero?: boolean;
  /**
   * Copies the bitmaps of the source into the new image, `usable` without those that were not saved
   * properly, which `all` refuses.
   */
  readonly bitmaps?: 'all' | 'usable';
  /** Takes what cannot be read for zeros, and tells of it, in place of failing. */
  readonly salvage?: boolean;
  /** Most bytes of data that are copied in a second. */
  readonly bytesPerSecond?: number;
  /**
   * Lays data out as it comes, and not in the order of the disk: can be faster. The image then
   * differs from one conversion to the next.
   */
  readonly outOfOrder?: boolean;
  /**
   * Worker threads that do the work. By default one for each core, up to four, from when there is
   * something to decompress, decrypt or compress; none for little data. Without any, and for disks
   * that were not opened by path, the calling thread does it.
   */
  readonly workers?: number;
  /**
   * Whether a file that is there may be replaced. It stays as it was if converting fails, but for a
   * block device, and a file in whose place the host puts no other: they are written where they are.
   */
  readonly overwrite?: boolean;
  /**
   * Whether the new image survives a loss of power from the moment that it has its name; false to
   * leave that to the host, as qemu-img does. Default true.
   */
  readonly durable?: boolean;
  /** Called now and then, and once at the end. */
  readonly onProgress?: (progress: ChainProgress) => void;
  /**
   * What progress counts: bytes of the disk, or of its data alone, for which the maps of the source
   * are gone through once more in advance (and nothing is told where there is none). Default `disk`.
   */
  readonly progressOf?: 'disk' | 'data';
  /** Calls the work off; the new disk then does not appear. */
  readonly signal?: AbortSignal;
}

/** What stays below a converted disk. */
export interface KeptBacking {
  readonly name: string;
  readonly format?: string;
  /**
   * Where its content is in the chain of the source, whose top is 0. By default where the image
   * itself is, or directly below the top where it is not: then it has to be a copy of that.
   */
  readonly depth?: number;
}

const CONVERTING_KINDS: OptionKinds<ConvertDiskFileOptions> = {
  format: 'text',
  options: 'formatOptions',
  passphrase: 'passphrase',
  secrets: 'secrets',
  source: 'object',
  compress: 'flag',
  compressionLevel: 'number',
  backing: 'object',
  range: 'object',
  sparseBytes: 'any',
  intoExisting: 'flag',
  targetIsZero: 'flag',
  bitmaps: 'text',
  salvage: 'flag',
  bytesPerSecond: 'number',
  outOfOrder: 'flag',
  workers: 'count',
  overwrite: 'flag',
  durable: 'flag',
  gate: 'gate',
  limits: 'object',
  formats: 'drivers',
  onProgress: 'callback',
  progressOf: 'text',
  signal: 'signal',
};

export interface ConvertResult {
  /** With `salvage`: what could not be read, in no particular order. */
  readonly unreadable: readonly UnreadableRange[];
  /** With `bitmaps: 'usable'`: names of the bitmaps that were left out. */
  readonly bitmapsSkipped: readonly string[];
}

/** Bytes of the source that are copied to the start of the target. */
export interface GuestPart {
  readonly startBytes: number;
  readonly lengthBytes: number;
}

/** @throws DiskError `invalid-argument` */
export function partOf(sizeBytes: number, { range }: ConvertDiskFileOptions): GuestPart {
  if (range === undefined) return { startBytes: 0, lengthBytes: sizeBytes };
  const { guestOffset, lengthBytes } = range;
  const isWhole = [guestOffset, lengthBytes].every(
    (each) => Number.isSafeInteger(each) && each >= 0 && each % SECTOR_BYTES === 0,
  );
  if (isWhole && guestOffset + lengthBytes <= sizeBytes) {
    return { startBytes: guestOffset, lengthBytes };
  }
  throw refused(
    'convert.range',
    `${lengthBytes} bytes at ${guestOffset} are no whole sectors of a disk of ${sizeBytes} bytes`,
  );
}

/**
 * How zeros are looked for in data; undefined for not at all.
 * @throws DiskError `invalid-argument`
 */
export function zeroSearchOf({
  sparseBytes = DEFAULT_SPARSE_BYTES,
}: ConvertDiskFileOptions): ZeroSearch | undefined {
  const isLength = Number.isSafeInteger(sparseBytes) && sparseBytes >= 0;
  if (!isLength || sparseBytes % SECTOR_BYTES !== 0) {
    throw refused(
      'convert.sparse-bytes',
      `Zeros cannot be looked for in runs of ${sparseBytes} bytes`,
    );
  }
  if (sparseBytes === 0) return undefined;
  return { gridBytes: 2 ** Math.floor(Math.log2(sparseBytes)), leastBytes: sparseBytes };
}

/** @throws DiskError `invalid-argument` for what does not go together, or is no number */
export function checkConversion(options: ConvertDiskFileOptions, sources: number): void {
  checkOptions('convert', options, CONVERTING_KINDS);
  checkedLimits(options.limits);
  const { bytesPerSecond, backing, range } = options;
  if (backing !== undefined) {
    const kinds = { name: 'text', format: 'text', depth: 'count' } as const;
    checkFields('convert', backing, kinds, ['name'], 'backing');
  }
  if (sources === 0) throw refused('convert.no-source', 'There is nothing to convert');
  if (sources > 1 && backing !== undefined) {
    throw refused('convert.backing', 'An image below cannot be kept when disks are joined');
  }
  if (backing !== undefined && range !== undefined && range.guestOffset !== 0) {
    throw refused('convert.backing', 'An image below can be kept from the start of the disk only');
  }
  if (sources > 1 && options.bitmaps !== undefined) {
    throw refused('convert.bitmaps', 'Bitmaps cannot be copied when disks are joined');
  }
  if (bytesPerSecond !== undefined && !(bytesPerSecond > 0)) {
    throw refused('convert.rate', `Nothing can be copied at ${bytesPerSecond} bytes a second`);
  }
}

export function refused(detail: string, message: string): DiskError {
  return new DiskError('invalid-argument', detail, message, { op: 'convert' });
}
