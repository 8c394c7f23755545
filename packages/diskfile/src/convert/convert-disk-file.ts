/** Converting disks from any format to any other. */
import { DiskError } from '@diskfile/bytes';
import {
  type DiskFile,
  type FormatOptions,
  hostCall,
  runAsync,
  runSync,
  type Step,
} from '@diskfile/core';
import type { ChainProgress } from '../chain/chain-options.ts';
import { closeDisk } from '../chain/disk-steps.ts';
import { createFilled } from '../create/create-disk-file.ts';
import {
  openDiskFile,
  type OpenDiskFileOptions,
  openDiskFileSync,
} from '../open/open-disk-file.ts';
import { refuseAborted } from '../workers/aborted.ts';
import { DiskCopy } from './disk-copy.ts';

const SECTOR_BYTES = 512;
type Access = Pick<OpenDiskFileOptions, 'gate' | 'limits' | 'formats'>;

/** QEMU's default: shorter runs of zeros within data are written as they are. */
const DEFAULT_SPARSE_BYTES = 4096;

export interface ConvertDiskFileOptions extends Access {
  /** Format of the new disk. */
  readonly format: string;
  /** What that format alone knows, under the names that qemu-img gives with `-o`. */
  readonly options?: FormatOptions;
  /** How the source is opened, when it is given by its name. */
  readonly source?: Omit<OpenDiskFileOptions, 'readOnly'>;
  /** Compresses what is written; for formats that have that. Some images take nothing else. */
  readonly compress?: boolean;
  /**
   * Keeps an image below the new disk: only what the source itself holds is copied, and the rest is
   * read from there. Without it the new disk stands alone.
   */
  readonly backing?: { readonly name: string; readonly format?: string };
  /** Part of the source to convert; all of it by default. Whole sectors of 512 bytes. */
  readonly range?: { readonly guestOffset: number; readonly lengthBytes: number };
  /** Runs of zeros within data from this length on are left out; 0 writes them all. Default 4096. */
  readonly sparseBytes?: number;
  /** Writes into the image that is there, which is large enough, in place of a new one. */
  readonly intoExisting?: boolean;
  /** With `intoExisting`: it reads as zeros all over, so that zeros need not be written. */
  readonly targetIsZero?: boolean;
  /** Whether a file that is there may be replaced. It stays as it was if converting fails. */
  readonly overwrite?: boolean;
  /** Called now and then, and once at the end. */
  readonly onProgress?: (progress: ChainProgress) => void;
  /** Calls the work off; the new disk then does not appear. */
  readonly signal?: AbortSignal;
}

/**
 * Copies a disk into a new image of any format that can be written. Holes are not read, zeros not
 * written. The new image appears under its name complete and durable, or not at all.
 *
 * @param source a path or `file:` URL, or a disk, which stays open
 * @throws DiskError what opening and creating throw; `aborted`
 * @example
 * await convertDiskFile('vm.vmdk', 'vm.qcow2', { format: 'qcow2', compress: true });
 */
export async function convertDiskFile(
  source: string | URL | DiskFile,
  target: string,
  options: ConvertDiskFileOptions,
): Promise<void> {
  await runAsync(convert(source, target, options));
}

/** The synchronous form of {@link convertDiskFile}; blocks the thread. */
export function convertDiskFileSync(
  source: string | URL | DiskFile,
  target: string,
  options: ConvertDiskFileOptions,
): void {
  runSync(convert(source, target, options));
}

function* convert(
  given: string | URL | DiskFile,
  target: string,
  options: ConvertDiskFileOptions,
): Step<void> {
  const isOpen = typeof given === 'object' && !(given instanceof URL);
  const source = isOpen ? given : yield* openSource(given, options);
  try {
    const range = rangeOf(source, options);
    if (options.intoExisting === true) yield* copyIntoExisting(source, range, target, options);
    else {
      const { format, options: own = {}, backing, overwrite = false } = options;
      const creation = {
        ...accessOf(options),
        format,
        sizeBytes: range.lengthBytes,
        options: own,
        overwrite,
        ...(backing === undefined ? {} : { backing }),
      };
      yield* createFilled(target, creation, (disk) => copy(source, disk, range, options));
    }
  } finally {
    if (!isOpen) yield* closeDisk(source);
  }
}

/** What was given of it, since no option may be undefined. */
function accessOf({ gate, limits, formats }: Access): Access {
  return {
    ...(gate === undefined ? {} : { gate }),
    ...(limits === undefined ? {} : { limits }),
    ...(formats === undefined ? {} : { formats }),
  };
}

function openSource(path: string | URL, options: ConvertDiskFileOptions): Step<DiskFile> {
  const opening = { ...accessOf(options), ...options.source };
  return hostCall(
    () => openDiskFileSync(path, opening),
    () => openDiskFile(path, opening),
  );
}

interface GuestPart {
  readonly startBytes: number;
  readonly lengthBytes: number;
}

function rangeOf({ sizeBytes }: DiskFile, { range }: ConvertDiskFileOptions): GuestPart {
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

function* copyIntoExisting(
  source: DiskFile,
  range: GuestPart,
  target: string,
  options: ConvertDiskFileOptions,
): Step<void> {
  const opening = { ...accessOf(options), format: options.format, readOnly: false };
  const disk = yield* hostCall(
    () => openDiskFileSync(target, opening),
    () => openDiskFile(target, opening),
  );
  try {
    if (disk.sizeBytes < range.lengthBytes) {
      throw refused(
        'convert.target-too-small',
        `The target of ${disk.sizeBytes} bytes is too small for ${range.lengthBytes}`,
      );
    }
    yield* copy(source, disk, range, options);
  } finally {
    yield* closeDisk(disk);
  }
}

function* copy(
  source: DiskFile,
  target: DiskFile,
  range: GuestPart,
  options: ConvertDiskFileOptions,
): Step<void> {
  const { sparseBytes = DEFAULT_SPARSE_BYTES, compress = false, signal, onProgress } = options;
  const { compression } = target.capabilities;
  if (compress && compression === undefined) {
    throw refused(
      'convert.no-compression',
      `Disks of the format ${target.format} have no compression`,
    );
  }
  if (!Number.isSafeInteger(sparseBytes) || sparseBytes < 0 || sparseBytes % SECTOR_BYTES !== 0) {
    throw refused(
      'convert.sparse-bytes',
      `Zeros cannot be looked for in runs of ${sparseBytes} bytes`,
    );
  }
  const keepsBacking = options.backing !== undefined;
  const isNew = options.intoExisting !== true;
  const diskCopy = new DiskCopy(source, target, {
    ...range,
    sparseBytes,
    targetIsZero: (isNew && !keepsBacking) || options.targetIsZero === true,
    compress: compress || compression?.isOnlyForm === true,
    keepsBacking,
    reached: (doneBytes) => {
      refuseAborted(signal, source.name);
      onProgress?.({ doneBytes, totalBytes: range.lengthBytes });
    },
  });
  yield* diskCopy.run();
}

function refused(detail: string, message: string): DiskError {
  return new DiskError('invalid-argument', detail, message, { op: 'convert' });
}
