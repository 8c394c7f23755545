/**
 * Encrypted images: by LUKS, whose header lies in clusters of the image, or by AES as old images
 * have it. Only data clusters are encrypted; tables and compressed clusters are not.
 */
import { DiskError } from '@diskfile/bytes';
import type { FormatDetails } from '@diskfile/core';
import {
  describeLuks,
  type EncryptedData,
  type LuksHeader,
  passphraseMissing,
} from '@diskfile/crypto';
import type { EncryptionMethod } from './header/header.ts';

export class ImageEncryption {
  readonly method: EncryptionMethod;
  /** Of LUKS, what its header says. */
  readonly luks: LuksHeader | undefined;
  readonly #data: EncryptedData | undefined;

  /** @param data undefined while the passphrase is not known */
  constructor(
    method: EncryptionMethod,
    luks: LuksHeader | undefined,
    data: EncryptedData | undefined,
  ) {
    this.method = method;
    this.luks = luks;
    this.#data = data;
  }

  get isLocked(): boolean {
    return this.#data === undefined;
  }

  /**
   * Where the bytes at a host offset are read and written in clear.
   * @throws DiskError `wrong-key` without a passphrase
   */
  at(hostOffset: number, guestOffset: number): ReturnType<EncryptedData['at']> {
    if (this.#data === undefined) throw locked(this.method);
    return this.#data.at(hostOffset, guestOffset);
  }

  describe(): FormatDetails {
    const { method, isLocked, luks } = this;
    return { method, locked: isLocked, ...(luks === undefined ? {} : describeLuks(luks)) };
  }
}

/** The refusal to read or write data without the passphrase. */
export function locked(method: EncryptionMethod): DiskError {
  return passphraseMissing('qcow2', method === 'luks' ? 'LUKS' : 'AES-CBC');
}

/** The refusal of what encrypted images cannot do. */
export function notWhenEncrypted(what: string): DiskError {
  return new DiskError(
    'unsupported',
    'qcow2.encrypted',
    `${what} is not possible in an encrypted image`,
    { hint: 'Convert it to an image that is not encrypted, or create a new encrypted one.' },
  );
}
