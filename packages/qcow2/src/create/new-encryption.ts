/** How a new image is encrypted: its options, and the LUKS header in clusters of its own. */
import { alignUp, divideUp } from '@diskfile/bytes';
import { type CreateContext, type Step, writeBytes } from '@diskfile/core';
import {
  loadCrypto,
  LUKS_OPTION_NAMES,
  luksHeaderBytes,
  type LuksOptions,
  parseLuksOptions,
  passphraseMissing,
  writeNewHeader,
} from '@diskfile/crypto';
import type { ImageMetadata } from '../metadata.ts';
import { invalidOption, type Options, OptionValues } from './option-values.ts';
import { encryptionHeaderPointer } from '../structs.ts';

/** Names of `qemu-img create -o`; the passphrase itself is no option. */
export const ENCRYPTION_OPTIONS: readonly string[] = [
  'encryption',
  'encrypt.format',
  ...LUKS_OPTION_NAMES.map((name) => `encrypt.${name}`),
];

export interface NewEncryption {
  readonly passphrase: Uint8Array;
  /** Undefined for AES as old images have it. */
  readonly luks: LuksOptions | undefined;
}

/**
 * How images with these options are encrypted, if they are.
 * @throws DiskError `invalid-argument`
 */
export function encryptionFormat(options: Options): 'aes' | 'luks' | undefined {
  const values = new OptionValues(options, 'create');
  const isLegacy = values.flag('encryption');
  if (options['encrypt.format'] === undefined) return isLegacy ? 'aes' : undefined;
  if (isLegacy) throw invalid('encryption', 'encryption and encrypt.format exclude each other');
  return values.choice<'aes' | 'luks'>('encrypt.format', ['aes', 'luks'], 'luks');
}

/** @throws DiskError `invalid-argument`, `wrong-key` without a passphrase */
export function parseEncryption({
  options,
  passphrase,
}: Pick<CreateContext, 'options' | 'passphrase'>): NewEncryption | undefined {
  const format = encryptionFormat(options);
  const own = LUKS_OPTION_NAMES.filter((name) => options[`encrypt.${name}`] !== undefined);
  if (own.length > 0 && format !== 'luks') {
    throw invalid(`encrypt.${own[0]}`, `encrypt.${own[0]} is an option of encrypt.format=luks`);
  }
  if (format === undefined) return undefined;
  const luks =
    format === 'luks'
      ? parseLuksOptions(Object.fromEntries(own.map((name) => [name, options[`encrypt.${name}`]])))
      : undefined;
  if (passphrase === undefined) throw passphraseMissing('qcow2');
  return { passphrase, luks };
}

function invalid(option: string, message: string): Error {
  return invalidOption('create', option, message);
}

/**
 * Writes a LUKS header into new clusters.
 * @returns the header extension that tells where it is
 */
export function* writeLuksHeader(
  { storage, allocator, header }: ImageMetadata,
  luks: LuksOptions,
  passphrase: Uint8Array,
): Step<Uint8Array> {
  const { clusterBytes } = header;
  const lengthBytes = luksHeaderBytes(luks.keyBytes);
  const cluster = yield* allocator.allocate(divideUp(lengthBytes, clusterBytes));
  const hostOffset = cluster * clusterBytes;
  const provider = yield* loadCrypto();
  // Key slots that are not in use are zeros, and so is the rest of the last cluster.
  yield* writeBytes(storage, new Uint8Array(alignUp(lengthBytes, clusterBytes)), hostOffset);
  yield* writeNewHeader({ storage, hostOffset, provider }, luks, passphrase);
  const pointer = new Uint8Array(encryptionHeaderPointer.spanBytes);
  encryptionHeaderPointer.encode({ offset: hostOffset, length: lengthBytes }, pointer);
  return pointer;
}
