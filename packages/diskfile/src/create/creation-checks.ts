/** Whether an image can be as it is asked for, looked at before anything is made. */
import { alignUp, DiskError } from '@diskfile/bytes';
import { describeValue, findDriver, type FormatDriver } from '@diskfile/core';
import type { CreateDiskFileOptions } from './create-options.ts';

const SECTOR_BYTES = 512;
/** Whole sectors of it are a safe integer. */
const MAX_DISK_BYTES = Number.MAX_SAFE_INTEGER - SECTOR_BYTES;

type CreatingDriver = FormatDriver & Required<Pick<FormatDriver, 'create'>>;

function isCreating(driver: FormatDriver): driver is CreatingDriver {
  return driver.create !== undefined;
}

/** @throws DiskError `unsupported` for a format that there is not, or that is only read */
export function creatingDriver(
  path: string,
  drivers: readonly FormatDriver[],
  format: unknown,
): CreatingDriver {
  const driver = typeof format === 'string' ? findDriver(drivers, format) : undefined;
  const creators = drivers.filter(({ create }) => create !== undefined);
  const hint = `Formats that can be created: ${creators.map(({ id }) => id).join(', ')}.`;
  if (driver === undefined) {
    const message = `There is no disk format ${describeValue(format)}`;
    throw new DiskError('unsupported', 'create.unknown-format', message, {
      op: 'create',
      path,
      hint,
    });
  }
  if (!isCreating(driver)) {
    const message = `${driver.id} images can only be read`;
    throw new DiskError('unsupported', 'create.read-only-format', message, {
      op: 'create',
      path,
      hint,
    });
  }
  return driver;
}

/** @throws DiskError `invalid-argument` where there is no size, or none that a disk can have */
export function checkSize(path: string, { sizeBytes, backing }: CreateDiskFileOptions): void {
  if (sizeBytes !== undefined) {
    wholeSectors(path, sizeBytes);
  } else if (backing === undefined) {
    throw new DiskError('invalid-argument', 'create.no-size', 'The disk has no size', {
      op: 'create',
      path,
      hint: 'Give sizeBytes, or a backing image whose size is taken over.',
    });
  }
}

/** @throws DiskError `invalid-argument` */
export function wholeSectors(path: string, sizeBytes: number): number {
  const isSize = Number.isSafeInteger(sizeBytes) && sizeBytes >= 0;
  if (isSize && sizeBytes <= MAX_DISK_BYTES) return alignUp(sizeBytes, SECTOR_BYTES);
  throw new DiskError(
    'invalid-argument',
    'create.size',
    `The disk cannot be ${describeValue(sizeBytes)} bytes long`,
    {
      op: 'create',
      path,
      hint: `Give a whole number of bytes, of type number, up to ${MAX_DISK_BYTES}.`,
    },
  );
}

/** Who gives a passphrase believes that the image is encrypted. */
export function passphraseUnused(
  path: string,
  drivers: readonly FormatDriver[],
  { id, encrypts }: FormatDriver,
): DiskError {
  const others = drivers.filter((driver) => driver.encrypts !== undefined);
  return new DiskError(
    'invalid-argument',
    'create.passphrase-unused',
    `A passphrase is given, but nothing says that the ${id} image is encrypted`,
    {
      op: 'create',
      path,
      hint:
        encrypts === undefined
          ? `Formats that can be encrypted: ${others.map((driver) => driver.id).join(', ')}.`
          : "Give the option 'encrypt.format'.",
    },
  );
}
