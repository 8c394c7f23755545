/** Creating images, byte for byte as `qemu-img create -f qcow` does. */
import { alignUp, divideUp, powerOfTwo } from '@diskfile/bytes';
import {
  type CreateContext,
  flushStorage,
  type FormatOptions,
  quote,
  type Step,
  truncateStorage,
  writeBytes,
} from '@diskfile/core';
import { encodeBackingName } from './backing-name.ts';
import { locked } from './encryption.ts';
import { refused } from './errors.ts';
import { QCOW_HEADER_BYTES } from './header.ts';
import { CRYPT_METHOD, QCOW_MAGIC, qcowHeader } from './structs.ts';

const SECTOR_BYTES = 512;
/** Over another image a cluster is a sector, so that nothing is ever copied from below. */
const GEOMETRY = {
  alone: { cluster_bits: 12, l2_bits: 9 },
  overlay: { cluster_bits: 9, l2_bits: 12 },
} as const;
/** Bytes of an L1 table that readers with the default limits take. */
const MAX_L1_BYTES = 64 * 1024 * 1024;
const OPTIONS: ReadonlySet<string> = new Set(['encryption', 'encrypt.format']);

export function* createQcow(context: CreateContext): Step<void> {
  const { storage, sizeBytes, backing } = context;
  const isEncrypted = takeEncryption(context);
  if (sizeBytes === 0) {
    const message = 'Image size is too small, cannot be zero length';
    throw refused('invalid-argument', 'qcow.too-small', message, 'Give it a sector at least.');
  }
  const name = backing === undefined ? undefined : encodeBackingName(backing);
  const geometry = name === undefined ? GEOMETRY.alone : GEOMETRY.overlay;
  const l1TableOffset = alignUp(QCOW_HEADER_BYTES + (name?.length ?? 0), 8);
  const l1Bytes = 8 * divideUp(sizeBytes, powerOfTwo(geometry.cluster_bits + geometry.l2_bits));
  if (l1Bytes > MAX_L1_BYTES) {
    const message = 'Image size is too large for this format';
    throw refused('invalid-argument', 'qcow.too-large', message, 'Choose qcow2.');
  }
  const header = new Uint8Array(QCOW_HEADER_BYTES);
  qcowHeader.encode(
    {
      magic: QCOW_MAGIC,
      version: 1,
      backing_file_offset_high: 0,
      backing_file_offset_low: name === undefined ? 0 : QCOW_HEADER_BYTES,
      backing_file_size: name?.length ?? 0,
      mtime: 0,
      size: sizeBytes,
      ...geometry,
      padding: 0,
      crypt_method: isEncrypted ? CRYPT_METHOD.aes : CRYPT_METHOD.none,
      l1_table_offset: l1TableOffset,
    },
    header,
  );
  yield* truncateStorage(storage, l1TableOffset + alignUp(l1Bytes, SECTOR_BYTES));
  if (name !== undefined) yield* writeBytes(storage, name, QCOW_HEADER_BYTES);
  // The header comes last: until then the file is no image.
  yield* writeBytes(storage, header, 0);
  yield* flushStorage(storage);
}

/** @throws DiskError `invalid-argument`, `wrong-key` without a passphrase */
function takeEncryption({ options, passphrase }: CreateContext): boolean {
  const unknown = Object.keys(options).find((name) => !OPTIONS.has(name));
  if (unknown !== undefined) {
    const message = `qcow images have no option ${quote(unknown)}`;
    const known = 'There are encryption and encrypt.format.';
    throw refused('invalid-argument', 'qcow.option', message, known);
  }
  const isEncrypted = encryptsQcow(options);
  if (isEncrypted && passphrase === undefined) throw locked();
  return isEncrypted;
}

/** See {@link FormatDriver.encrypts}. */
export function encryptsQcow(options: FormatOptions): boolean {
  const { encryption = false, 'encrypt.format': format } = options;
  const isOn = [true, 'on', 'true', 'yes'].includes(encryption as boolean | string);
  if (!isOn && ![false, 'off', 'false', 'no'].includes(encryption as boolean | string)) {
    const message = `encryption is on or off, not ${quote(String(encryption))}`;
    throw refused('invalid-argument', 'qcow.option', message, 'Give one of the two.');
  }
  if (format !== undefined && format !== 'aes') {
    const message = `Unsupported encryption format ${quote(String(format))}`;
    throw refused('invalid-argument', 'qcow.encrypt-format', message, 'There is aes alone.');
  }
  return isOn || format !== undefined;
}
