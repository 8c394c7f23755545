/** Bringing up the encryption of an image: its key, found by the passphrase. */
import type { OpenContext, Step, Storage } from '@diskfile/core';
import {
  GuestKeyedData,
  HostKeyedData,
  legacyAesCipher,
  loadCrypto,
  openLuks,
  readLuksHeader,
} from '@diskfile/crypto';
import { ImageEncryption } from './encryption.ts';
import { corrupt } from './errors.ts';
import type { HeaderExtensions } from './header/header-extensions.ts';
import type { EncryptionMethod } from './header/header.ts';

/**
 * @param dataStorage what holds the data clusters
 * @throws DiskError `wrong-key` for a passphrase that is not the image's, `corrupt`, `unsupported`
 */
export function* openEncryption(
  context: OpenContext,
  method: EncryptionMethod,
  { encryptionHeader }: HeaderExtensions,
  dataStorage: Storage,
): Step<ImageEncryption> {
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
