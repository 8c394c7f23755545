/** The passphrases that open a LUKS disk. */
import type { KeySlotContext, Step } from '@diskfile/core';
import { changeKeySlots, loadCrypto, readLuksHeader } from '@diskfile/crypto';

/** What `FormatDriver.changeKeySlots` says. */
export function* changeLuksKeySlots(context: KeySlotContext): Step<void> {
  const { storage, passphrase, change, limits } = context;
  const bounds = {
    availableBytes: storage.sizeBytes,
    maxKeyIterations: limits.maxKeyIterations,
  };
  const place = { storage, hostOffset: 0, provider: yield* loadCrypto() };
  const header = yield* readLuksHeader(place, bounds);
  yield* changeKeySlots(place, header, passphrase, change);
}
