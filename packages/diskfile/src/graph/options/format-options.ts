/**
 * Options that a format's node takes besides its children. They tune QEMU's driver; here their
 * values are judged as QEMU judges them, and what they would tune takes care of itself.
 */
import { DiskError } from '@diskfile/bytes';
import type { DiskFile, FormatTuning } from '@diskfile/core';
import { type BlockOptions, invalid } from './block-options.ts';
import { takeOverlapChecks } from './overlap-options.ts';

/** What a new image has, and QEMU's bounds. */
const NEW_CLUSTER_BYTES = 65536;
const MAX_CACHE_ENTRIES = 2 ** 31 - 1;
/** More than any host has, and QEMU allocates all of it. */
const MAX_CACHE_BYTES = 2 ** 40;
const MAX_CLEAN_INTERVAL = 2 ** 32 - 1;

/** What the options say of an image's encryption. */
export interface DescribedEncryption {
  /** Of the secret. */
  readonly id: string | undefined;
  readonly method: string | undefined;
  /** An option that no encryption has. */
  readonly unexpected: string | undefined;
}

/** @param format undefined where it is not known */
export function takeEncryption(
  format: string | undefined,
  options: BlockOptions,
): DescribedEncryption {
  if (format === 'luks') return { ...NOTHING, id: options.takeText('key-secret') };
  if (format !== undefined && format !== 'qcow2' && format !== 'qcow') return NOTHING;
  const id = options.takeText('encrypt.key-secret');
  const method = options.takeText('encrypt.format');
  if (format !== undefined) {
    return { id, method, unexpected: options.takeBelow('encrypt.').leftOver };
  }
  // What turns out to be a LUKS volume has a name of its own for it.
  return { ...NOTHING, id: id ?? options.takeText('key-secret'), method };
}

const NOTHING = { id: undefined, method: undefined, unexpected: undefined };

/**
 * What else is said of the encryption of an image that has none does not matter, as with QEMU.
 * @param found what the image is encrypted by
 * @throws DiskError `invalid-argument` for an encryption that the image does not have
 */
export function checkEncryption(
  { method, unexpected }: DescribedEncryption,
  found: string | undefined,
): void {
  if (method !== undefined && method !== found) {
    throw invalid(
      found === undefined
        ? `No encryption in image header, but options specified format '${method}'`
        : `Header reported '${found}' encryption format but options specify '${method}'`,
    );
  }
  if (found === undefined || unexpected === undefined) return;
  throw invalid(`Parameter '${unexpected.replace(/\..*/, '')}' is unexpected`);
}

/** Values of `force_size_calc`. */
const SIZE_SOURCES: ReadonlyMap<string, NonNullable<FormatTuning['sizeSource']>> = new Map([
  ['chs', 'geometry'],
  ['current_size', 'footer'],
]);

/**
 * What the format has to know before it opens the image.
 * @param discards whether discards reach the host, unless the options say so
 */
export function peekTuning(options: BlockOptions, discards: boolean): FormatTuning {
  const looked = options.copy();
  const lazyRefcounts = looked.takeFlag('lazy-refcounts');
  const sizeSource = SIZE_SOURCES.get(looked.takeText('force_size_calc') ?? '');
  const overlapChecks = peekOverlapChecks(looked);
  const passesDiscards = looked.takeFlag('pass-discard-request') ?? discards;
  return {
    ...(lazyRefcounts === undefined ? {} : { lazyRefcounts }),
    ...(sizeSource === undefined ? {} : { sizeSource }),
    ...(overlapChecks === undefined ? {} : { overlapChecks }),
    ...(passesDiscards ? {} : { keepsFreedSpace: true }),
  };
}

/** What is wrong is said once the image is open. */
function peekOverlapChecks(options: BlockOptions): ReadonlySet<string> | undefined {
  try {
    return takeOverlapChecks(options);
  } catch (error) {
    if (error instanceof DiskError) return undefined;
    throw error;
  }
}

/** @throws DiskError `invalid-argument` for what the image has no room for */
export function refuseTuning({ lazyRefcounts }: FormatTuning, disk: DiskFile): void {
  if (lazyRefcounts !== true || disk.info()[0]!.details['compat'] !== '0.10') return;
  throw invalid('Lazy refcounts require a qcow2 image with at least qemu 1.1 compatibility level');
}

/**
 * Takes what the format knows; what is left is no option of it.
 * @param clusterBytes of the image; that of new images where nobody has looked into it
 */
export function takeFormatOptions(
  format: string,
  options: BlockOptions,
  clusterBytes = NEW_CLUSTER_BYTES,
): void {
  if (format === 'qcow2') takeQcow2Options(options, clusterBytes);
  else if (format === 'vpc' || format === 'vhd') takeSizeCalculation(options);
  else if (format === 'parallels') takePreallocation(options);
}

/** What is set aside ahead of the clusters of an image is given back when that is closed. */
function takePreallocation(options: BlockOptions): void {
  options.takeSize('prealloc-size');
  options.takeChoice('prealloc-mode', ['falloc', 'truncate']);
}

function takeQcow2Options(options: BlockOptions, clusterBytes: number): void {
  options.takeFlag('lazy-refcounts');
  for (const name of ['request', 'snapshot', 'other']) options.takeFlag(`pass-discard-${name}`);
  takeCacheSizes(options, clusterBytes);
  const interval = options.takeNumber('cache-clean-interval');
  if (interval !== undefined && (interval < 0 || interval > MAX_CLEAN_INTERVAL)) {
    throw invalid('Cache clean interval too big');
  }
  takeOverlapChecks(options);
}

function takeCacheSizes(options: BlockOptions, clusterBytes: number): void {
  const all = options.takeHugeSize('cache-size');
  const l2 = options.takeHugeSize('l2-cache-size');
  const refcounts = options.takeHugeSize('refcount-cache-size');
  const entry = options.takeHugeSize('l2-cache-entry-size');
  refuseConflictingSizes({ all, l2, refcounts });
  if (
    entry !== undefined &&
    (entry < 512 || entry > clusterBytes || !Number.isInteger(Math.log2(entry)))
  ) {
    throw invalid(
      `L2 cache entry size must be a power of two between 512 and the cluster size (${clusterBytes})`,
    );
  }
  // The L2 cache takes no more than it can use, whatever is asked, and the rest goes to refcounts.
  const refcountBytes = refcounts ?? all ?? 0;
  if (refcountBytes / clusterBytes > MAX_CACHE_ENTRIES) {
    throw invalid('Refcount cache size too big');
  }
  if (refcountBytes >= MAX_CACHE_BYTES) throw invalid('Could not allocate metadata caches');
}

interface CacheSizes {
  readonly all: number | undefined;
  readonly l2: number | undefined;
  readonly refcounts: number | undefined;
}

function refuseConflictingSizes({ all, l2, refcounts }: CacheSizes): void {
  if (all === undefined) return;
  if (l2 !== undefined && refcounts !== undefined) {
    throw invalid(
      'cache-size, l2-cache-size and refcount-cache-size may not be set at the same time',
    );
  }
  if (l2 !== undefined && l2 > all) throw invalid('l2-cache-size may not exceed cache-size');
  if (refcounts !== undefined && refcounts > all) {
    throw invalid('refcount-cache-size may not exceed cache-size');
  }
}

function takeSizeCalculation(options: BlockOptions): void {
  const calculation = options.takeText('force_size_calc');
  if (calculation === undefined || SIZE_SOURCES.has(calculation)) return;
  throw invalid(`Invalid size calculation mode: '${calculation}'`);
}
