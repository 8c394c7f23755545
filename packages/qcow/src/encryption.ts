/**
 * AES as images of this version have it: each sector of a plain cluster is encrypted under its number
 * on the disk. Tables and compressed clusters are not.
 */
import type { DiskError } from '@diskfile/bytes';
import type { Extent, OpenContext, Step, Storage } from '@diskfile/core';
import {
  type EncryptedData,
  GuestKeyedData,
  legacyAesCipher,
  loadCrypto,
  passphraseMissing,
} from '@diskfile/crypto';
import type { QcowHeader } from './header.ts';

/** Bytes that are encrypted together. */
export const ENCRYPTED_UNIT_BYTES = 512;

export class QcowEncryption {
  readonly method = 'aes';
  readonly #data: EncryptedData | undefined;

  /** @param data undefined while the passphrase is not known */
  constructor(data: EncryptedData | undefined) {
    this.#data = data;
  }

  get isLocked(): boolean {
    return this.#data === undefined;
  }

  /** @throws DiskError `wrong-key` without a passphrase */
  at(hostOffset: number, guestOffset: number): ReturnType<EncryptedData['at']> {
    if (this.#data === undefined) throw locked();
    return this.#data.at(hostOffset, guestOffset);
  }

  /** Has what is there read and written in clear. */
  decrypt(extent: Extent, guestOffset: number): void {
    if (extent.kind !== 'data') return;
    const { hostOffset, lengthBytes } = extent;
    extent.setData(this.at(hostOffset, guestOffset), hostOffset, lengthBytes);
  }
}

/** There is nothing in the image to tell a wrong passphrase by. */
export function* openEncryption(
  { passphrase }: OpenContext,
  { encryption }: QcowHeader,
  storage: Storage,
): Step<QcowEncryption | undefined> {
  if (encryption === undefined) return undefined;
  if (passphrase === undefined) return new QcowEncryption(undefined);
  const cipher = legacyAesCipher(yield* loadCrypto(), passphrase);
  return new QcowEncryption(new GuestKeyedData(storage, cipher));
}

export function locked(): DiskError {
  return passphraseMissing('qcow', 'AES-CBC');
}
