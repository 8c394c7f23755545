/**
 * Encrypted images: by LUKS, whose header lies in clusters of the image, or by AES as old images
 * have it. Only data clusters are encrypted; tables and compressed clusters are not.
 */
import { DiskError } from '@diskfile/bytes';
import type { FormatDetails, OpenContext, Step, Storage } from '@diskfile/core';
import {
  describeLuks,
  type EncryptedData,
  GuestKeyedData,
  HostKeyedData,
  legacyAesCipher,
  loadCrypto,
  type LuksHeader,
  openLuks,
  passphraseMissing,
  readLuksHeader,
} from '@diskfile/crypto';
import { corrupt } from './errors.ts';
import type { HeaderExtensions } from './header/header-extensions.ts';
import type { EncryptionMethod, Qcow2Header } from './header/header.ts';

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

/**
 * @param dataStorage what holds the data clusters
 * @throws DiskError `wrong-key` for a passphrase that is not the image's, `corrupt`, `unsupported`
 */
export function* openEncryption(
  context: OpenContext,
  { encryption: method }: Qcow2Header,
  { encryptionHeader }: HeaderExtensions,
  dataStorage: Storage,
): Step<ImageEncryption | undefined> {
  if (method === undefined) return undefined;
  const { passphrase, storage } = context;
  if (method === 'aes') {
    if (passphrase === undefined) return new ImageEncryption(method, undefined, undefined);
    const cipher = legacyAesCipher(yield* loadCrypto(), passphrase);
    return new ImageEncryption(method, undefined, new GuestKeyedData(dataStorage, cipher));
  }
  if (encryptionHeader === undefined) {
    throw corrupt(
      'qcow2.encryption-header',
      'The image is encrypted by LUKS and does not say where its header is',
    );
  }
  const { offset: hostOffset, lengthBytes } = encryptionHeader;
  const availableBytes = Math.min(lengthBytes, storage.sizeBytes - hostOffset);
  const { maxKeyIterations } = context.limits;
  const bounds = { availableBytes, maxKeyIterations };
  const luks = yield* readLuksHeader({ storage, hostOffset }, bounds);
  if (passphrase === undefined) return new ImageEncryption(method, luks, undefined);
  const provider = yield* loadCrypto();
  const cipher = yield* openLuks({ storage, hostOffset, provider }, luks, passphrase);
  return new ImageEncryption(method, luks, new HostKeyedData(dataStorage, cipher));
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
