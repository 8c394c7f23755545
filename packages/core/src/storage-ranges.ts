/** Steps over ranges that are to hold nothing any more. */
import { hostCall, type Step } from './step.ts';
import type { WritableStorage } from './storage.ts';

/** A step that makes a range read as zeros without writing them; false where that cannot be. */
export function* zeroRange(
  storage: WritableStorage,
  offset: number,
  lengthBytes: number,
  mayUnmap: boolean,
): Step<boolean> {
  return yield* hostCall(
    () =>
      storage.zeroSync?.(offset, lengthBytes, mayUnmap) ??
      (mayUnmap && storage.punchHoleSync(offset, lengthBytes)),
    async () =>
      (await storage.zero?.(offset, lengthBytes, mayUnmap)) ??
      (mayUnmap && (await storage.punchHole(offset, lengthBytes))),
  );
}

/** A step that gives up what a range holds; see {@link WritableStorage.discard}. */
export function* discardRange(
  storage: WritableStorage,
  offset: number,
  lengthBytes: number,
): Step<void> {
  yield* hostCall(
    () => {
      if (storage.discardSync === undefined) storage.punchHoleSync(offset, lengthBytes);
      else storage.discardSync(offset, lengthBytes);
    },
    async () => {
      if (storage.discard === undefined) await storage.punchHole(offset, lengthBytes);
      else await storage.discard(offset, lengthBytes);
    },
  );
}
