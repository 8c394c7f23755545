/** What a check is given, for an image in memory. */
import {
  type CheckContext,
  DEFAULT_LIMITS,
  MemoryStorage,
  noDecoders,
  type RepairMode,
} from '@diskfile/core';

export function checkContext(storage: MemoryStorage, repair?: RepairMode): CheckContext {
  return {
    storage,
    decoders: noDecoders,
    makeHash: () => {
      throw new Error('a qcow2 image keeps no digest');
    },
    limits: DEFAULT_LIMITS,
    repair,
    warn() {},
    *openNamed() {
      return new MemoryStorage();
    },
    onProgress() {},
  };
}
