/** How large an image would become, without making it. */
import { alignDown, alignUp, DiskError } from '@diskfile/bytes';
import {
  checkDisk,
  checkOptions,
  type DiskFile,
  describeValue,
  findDriver,
  type FormatDriver,
  type FormatOptions,
  hostCall,
  type MeasuredDisk,
  type Measurement,
  type OptionKinds,
  runAsync,
  runSync,
  type Step,
} from '@diskfile/core';
import { closeDisk, nextStatus } from '../chain/disk-steps.ts';
import { ALL_FORMATS } from '../formats.ts';
import {
  openDiskFile,
  type OpenDiskFileOptions,
  openDiskFileSync,
} from '../open/open-disk-file.ts';
import { type Passphrase, passphraseBytes } from '../open/passphrases.ts';
import { refuseAborted } from '../workers/aborted.ts';

const SECTOR_BYTES = 512;

export interface MeasureDiskFileOptions {
  /** Format of the image. */
  readonly format: string;
  /** What that format alone knows, under the names that qemu-img gives with `-o`. */
  readonly options?: FormatOptions;
  /** What the image is encrypted with, where its options say that it is. */
  readonly passphrase?: Passphrase;
  /** Whether the image is to lie over another one. */
  readonly hasBacking?: boolean;
  /** How the source is opened, when it is given by its name. */
  readonly source?: Omit<OpenDiskFileOptions, 'readOnly'>;
  readonly formats?: readonly FormatDriver[];
  readonly signal?: AbortSignal;
}

const MEASURING_KINDS: OptionKinds<MeasureDiskFileOptions> = {
  format: 'text',
  options: 'formatOptions',
  passphrase: 'passphrase',
  hasBacking: 'flag',
  source: 'object',
  formats: 'drivers',
  signal: 'signal',
};

/**
 * Tells how large an image would be that a disk is converted to, or one that is created with a
 * virtual size: the numbers of `qemu-img measure`. Known for raw, qcow2 and luks.
 *
 * @param of a path or `file:` URL, or a disk, which stays open; or a virtual size in bytes
 * @throws DiskError `unsupported` for other formats, `invalid-argument` for their options, what
 *   opening and reading throw; `aborted`
 * @example
 * const { requiredBytes } = await measureDiskFile('vm.vmdk', { format: 'qcow2' });
 */
export async function measureDiskFile(
  of: string | URL | DiskFile | number,
  options: MeasureDiskFileOptions,
): Promise<Measurement> {
  return await runAsync(measure(of, options));
}

/** The synchronous form of {@link measureDiskFile}. */
export function measureDiskFileSync(
  of: string | URL | DiskFile | number,
  options: MeasureDiskFileOptions,
): Measurement {
  return runSync(measure(of, options));
}

function* measure(
  of: string | URL | DiskFile | number,
  options: MeasureDiskFileOptions,
): Step<Measurement> {
  checkOptions('measure', options, MEASURING_KINDS, ['format']);
  const { format, options: own = {}, hasBacking = false, formats = ALL_FORMATS } = options;
  const driver = typeof format === 'string' ? findDriver(formats, format) : undefined;
  if (driver?.measure === undefined) throw notMeasured(format, formats);
  const [passphrase] = passphraseBytes(options.passphrase);
  const rest = {
    options: own,
    hasBacking,
    ...(passphrase === undefined ? {} : { passphrase }),
  };
  if (typeof of === 'number') {
    if (!Number.isSafeInteger(of) || of < 0 || of > Number.MAX_SAFE_INTEGER - SECTOR_BYTES) {
      throw badSize(of);
    }
    const sizeBytes = alignUp(of, SECTOR_BYTES);
    return yield* driver.measure({ ...rest, sizeBytes, source: undefined });
  }
  const isDisk = typeof of === 'object' && !(of instanceof URL);
  const opening = { ...(options.formats === undefined ? {} : { formats }), ...options.source };
  if (isDisk) checkDisk('measure', of);
  const disk = isDisk ? of : yield* open(of, opening);
  try {
    const { sizeBytes } = disk;
    const source = measuredDisk(disk, options.signal);
    return yield* driver.measure({ ...rest, sizeBytes, source });
  } finally {
    if (!isDisk) yield* closeDisk(disk);
  }
}

function open(path: string | URL, options: OpenDiskFileOptions): Step<DiskFile> {
  return hostCall(
    () => openDiskFileSync(path, options),
    () => openDiskFile(path, options),
  );
}

function measuredDisk(disk: DiskFile, signal: AbortSignal | undefined): MeasuredDisk {
  const [top] = disk.info();
  return {
    format: disk.format,
    details: top!.details,
    bitmaps: top!.bitmaps,
    *dataBytes(unitBytes) {
      let bytes = 0;
      for (let at = 0; at < disk.sizeBytes;) {
        refuseAborted(signal, disk.name);
        const { zero, allocated, lengthBytes } = yield* nextStatus(disk, at, disk.sizeBytes - at);
        const end = at + lengthBytes;
        const isData = !zero && allocated;
        // What else is in its units has been counted with them.
        at = isData ? Math.min(alignUp(end, unitBytes), disk.sizeBytes) : end;
        if (isData) bytes += alignUp(end, unitBytes) - alignDown(end - lengthBytes, unitBytes);
      }
      return bytes;
    },
  };
}

function notMeasured(format: unknown, formats: readonly FormatDriver[]): DiskError {
  const known = formats.filter(({ measure: can }) => can !== undefined).map(({ id }) => id);
  const message = `How large an image of the format ${describeValue(format)} will be is not known`;
  const hint = `It is for ${known.join(', ')}.`;
  return new DiskError('unsupported', 'measure.format', message, { op: 'measure', hint });
}

function badSize(size: number): DiskError {
  const message = `The disk cannot be ${describeValue(size)} bytes long`;
  return new DiskError('invalid-argument', 'measure.size', message, { op: 'measure' });
}
