/** Where the encrypted data of a disk is read and written. */
import type { Storage } from '@diskfile/core';
import { CipherStorage } from './cipher-storage.ts';
import type { SectorCipher } from './sector-cipher.ts';

export interface EncryptedData {
  /** A storage that gives the bytes at `hostOffset` in clear, being those at `guestOffset`. */
  at(hostOffset: number, guestOffset: number): CipherStorage;
}

/** Each sector is encrypted under the number of its place in the file, as LUKS has it. */
export class HostKeyedData implements EncryptedData {
  readonly #storage: CipherStorage;

  /** @param startOffset of the sector that has the number 0 */
  constructor(storage: Storage, cipher: SectorCipher, startOffset = 0) {
    this.#storage = new CipherStorage(storage, { cipher, keyOffset: -startOffset });
  }

  at(): CipherStorage {
    return this.#storage;
  }
}

/** Each sector is encrypted under its number on the disk, as old qcow images have it. */
export class GuestKeyedData implements EncryptedData {
  readonly #storage: Storage;
  readonly #cipher: SectorCipher;
  /** For ranges that are as far from their place on the disk as those of the last call. */
  #last: { readonly keyOffset: number; readonly storage: CipherStorage } | undefined;

  constructor(storage: Storage, cipher: SectorCipher) {
    this.#storage = storage;
    this.#cipher = cipher;
  }

  at(hostOffset: number, guestOffset: number): CipherStorage {
    const keyOffset = guestOffset - hostOffset;
    if (this.#last?.keyOffset !== keyOffset) {
      const storage = new CipherStorage(this.#storage, { cipher: this.#cipher, keyOffset });
      this.#last = { keyOffset, storage };
    }
    return this.#last.storage;
  }
}
