/** The passphrases that open an image that is encrypted by LUKS. */
import { DiskError } from '@diskfile/bytes';
import type { KeySlotContext, Step } from '@diskfile/core';
import { changeKeySlots, loadCrypto, readLuksHeader } from '@diskfile/crypto';
import { readCheckedHeader } from './check/checked-header.ts';

/** What `FormatDriver.changeKeySlots` says. */
export function* changeQcow2KeySlots(context: KeySlotContext): Step<void> {
  const { storage, passphrase, change, limits } = context;
  const { header, extensions } = yield* readCheckedHeader(storage);
  const { encryptionHeader } = extensions;
  if (header.encryption !== 'luks' || encryptionHeader === undefined) {
    throw new DiskError(
      'unsupported',
      'qcow2.no-key-slots',
      'The image is not encrypted by LUKS, so it has no key slots',
    );
  }
  const { offset: hostOffset, lengthBytes } = encryptionHeader;
  const bounds = {
    availableBytes: Math.min(lengthBytes, storage.sizeBytes - hostOffset),
    maxKeyIterations: limits.maxKeyIterations,
  };
  const place = { storage, hostOffset, provider: yield* loadCrypto() };
  const luks = yield* readLuksHeader(place, bounds);
  yield* changeKeySlots(place, luks, passphrase, change);
}
