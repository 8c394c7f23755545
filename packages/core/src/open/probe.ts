/** Which format a storage holds. */
import { DiskError } from '@diskfile/bytes';
import { type FormatDriver, PROBE_HEAD_BYTES, PROBE_TAIL_BYTES } from '../format/format-driver.ts';
import type { Step } from '../step.ts';
import { readBytes, type Storage } from '../storage.ts';

const NOTHING = new Uint8Array(0);

/** The driver whose format a storage holds. @throws DiskError `unsupported` when none fits. */
export function* probeStorage(
  storage: Storage,
  drivers: readonly FormatDriver[],
): Step<FormatDriver> {
  const { sizeBytes } = storage;
  const head = yield* readBytes(storage, 0, Math.min(sizeBytes, PROBE_HEAD_BYTES));
  const tailLength = Math.min(sizeBytes, PROBE_TAIL_BYTES);
  let tail: Uint8Array | undefined;
  let fallback: FormatDriver | undefined;
  for (const driver of drivers) {
    if (driver.probesTail) tail ??= yield* readBytes(storage, sizeBytes - tailLength, tailLength);
    const verdict = driver.probe({ head, tail: tail ?? NOTHING, sizeBytes });
    if (verdict === 'yes') return driver;
    if (verdict === 'maybe') fallback ??= driver;
  }
  if (fallback !== undefined) return fallback;
  throw new DiskError('unsupported', 'open.no-format', 'No known disk format fits the file', {
    op: 'open',
    path: storage.name,
    hint: `State the format if you know it; known ones: ${drivers.map(({ id }) => id).join(', ')}.`,
  });
}
