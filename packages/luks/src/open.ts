/** Opens LUKS-encrypted disks. */
import {
  type FlatSize,
  type OpenContext,
  refuseSnapshot,
  type Step,
  writableStorage,
} from '@diskfile/core';
import {
  CipherStorage,
  loadCrypto,
  type LuksHeader,
  openLuks,
  passphraseMissing,
  readLuksHeader,
} from '@diskfile/crypto';
import { LuksImage } from './image.ts';
import { LuksWriter } from './luks-writer.ts';

export function* openLuksImage(context: OpenContext): Step<LuksImage> {
  const { storage, writable } = context;
  refuseSnapshot(context, 'luks', 'A LUKS disk');
  const { maxKeyIterations } = context.limits;
  const bounds = { availableBytes: storage.sizeBytes, maxKeyIterations };
  const header = yield* readLuksHeader({ storage, hostOffset: 0 }, bounds);
  const size = { sizeBytes: Math.max(0, storage.sizeBytes - header.payloadOffset) };
  // What follows the last whole sector was never encrypted.
  size.sizeBytes -= size.sizeBytes % 512;
  const clear = yield* decrypted(context, header);
  const writer = writable ? writerOf(context, clear, header, size) : undefined;
  return new LuksImage({ header, storage, clear, size, writer });
}

function* decrypted(
  { storage, passphrase }: OpenContext,
  header: LuksHeader,
): Step<CipherStorage | undefined> {
  if (passphrase === undefined) return undefined;
  const provider = yield* loadCrypto();
  const cipher = yield* openLuks({ storage, hostOffset: 0, provider }, header, passphrase);
  return new CipherStorage(storage, { cipher, keyOffset: -header.payloadOffset });
}

function writerOf(
  { storage, tuning }: OpenContext,
  clear: CipherStorage | undefined,
  { payloadOffset }: LuksHeader,
  size: FlatSize,
): LuksWriter {
  if (clear === undefined) throw passphraseMissing('luks');
  writableStorage(storage, 'luks');
  return new LuksWriter(clear, size, payloadOffset, tuning?.leavesNoise === true);
}
