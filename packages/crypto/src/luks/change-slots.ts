/** Adding and erasing the passphrases that open a LUKS disk. */
import { alignUp, DiskError, writeU32be } from '@diskfile/bytes';
import {
  flushStorage,
  type KeySlotChange,
  type Step,
  type WritableStorage,
  writeBytes,
} from '@diskfile/core';
import type { CryptoProvider } from '../provider.ts';
import { randomBytes } from '../random-bytes.ts';
import { iterationsIn } from './create.ts';
import {
  encodeLuksKeySlot,
  keyMaterialBytes,
  type LuksHeader,
  type LuksKeySlot,
  slotAt,
} from './header.ts';
import { fillSlot, hashOf, openSlot, unlock } from './key-slots.ts';
import { LUKS_KEY_ENABLED, LUKS_NUMKEYS, LUKS_SALTSIZE, LUKS_SECTOR_BYTES } from './structs.ts';

const DEFAULT_ITERATION_MILLISECONDS = 2000;

export interface WritableLuksPlace {
  readonly storage: WritableStorage;
  readonly hostOffset: number;
  readonly provider: CryptoProvider;
}

/**
 * Gives a passphrase a slot, or erases slots. What the header says of a slot changes at one instant,
 * and only once its key material is durable.
 * @param passphrase one that opens the disk
 * @throws DiskError `wrong-key`, `invalid-argument` for what would lock the disk for good without
 *   `force`, or makes no sense
 */
export function* changeKeySlots(
  place: WritableLuksPlace,
  header: LuksHeader,
  passphrase: Uint8Array,
  change: KeySlotChange,
): Step<void> {
  const { slotIndex } = change;
  const { masterKey } = yield* unlock(place, header, passphrase);
  if (change.state === 'active') yield* add(place, header, masterKey, change);
  else if (slotIndex !== undefined) yield* eraseSlot(place, header, slotIndex, change);
  else yield* eraseMatching(place, header, change);
}

function* add(
  place: WritableLuksPlace,
  header: LuksHeader,
  masterKey: Uint8Array,
  change: KeySlotChange,
): Step<void> {
  const { newPassphrase, oldPassphrase, force } = change;
  if (newPassphrase === undefined) {
    throw refused('luks.slot.new-missing', 'A key slot needs a passphrase');
  }
  if (oldPassphrase !== undefined) {
    throw refused('luks.slot.old-given', 'A new key slot has no old passphrase');
  }
  const slotIndex = change.slotIndex ?? freeSlot(header);
  checkIndex(slotIndex);
  if (header.slots[slotIndex]!.isActive) {
    if (!force) {
      throw refused('luks.slot.in-use', `Key slot ${slotIndex} is in use`, 'Erase it first.');
    }
    yield* writeSlot(place, slotIndex, { ...header.slots[slotIndex]!, isActive: false });
  }
  const milliseconds = change.iterationMilliseconds ?? DEFAULT_ITERATION_MILLISECONDS;
  const hash = hashOf(place.provider, header.hash);
  const iterations = yield* iterationsIn(place.provider, hash, header.keyBytes, milliseconds);
  const key = { masterKey, slotIndex };
  const slot = yield* fillSlot(place, header, key, { passphrase: newPassphrase, iterations });
  yield* writeSlot(place, slotIndex, slot);
}

function freeSlot({ slots }: LuksHeader): number {
  const index = slots.findIndex(({ isActive }) => !isActive);
  if (index === -1) throw refused('luks.slot.none-free', 'All key slots are in use');
  return index;
}

function* eraseSlot(
  place: WritableLuksPlace,
  header: LuksHeader,
  slotIndex: number,
  change: KeySlotChange,
): Step<void> {
  const { oldPassphrase, force } = change;
  refuseForErasing(change);
  checkIndex(slotIndex);
  const slot = header.slots[slotIndex]!;
  if (oldPassphrase !== undefined) {
    const key = slot.isActive ? yield* openSlot(place, header, slot, oldPassphrase) : undefined;
    if (key === undefined) {
      throw refused('luks.slot.other', `Key slot ${slotIndex} is of another passphrase`);
    }
  }
  if (!force && !slot.isActive) {
    throw refused('luks.slot.erased', `Key slot ${slotIndex} is not in use`);
  }
  if (!force && header.slots.filter(({ isActive }) => isActive).length === 1) {
    throw refused('luks.slot.last', `Key slot ${slotIndex} is the only one in use`, FORCE_HINT);
  }
  yield* erase(place, header, slotIndex);
}

const FORCE_HINT = 'Nobody could open the disk any more; force it if that is what you want.';

function* eraseMatching(
  place: WritableLuksPlace,
  header: LuksHeader,
  change: KeySlotChange,
): Step<void> {
  const { oldPassphrase, force } = change;
  refuseForErasing(change);
  if (oldPassphrase === undefined) {
    throw refused('luks.slot.which', 'It takes a slot or a passphrase to tell what to erase');
  }
  const matching: number[] = [];
  let active = 0;
  for (const [index, slot] of header.slots.entries()) {
    if (!slot.isActive) continue;
    active += 1;
    const key = yield* openSlot(place, header, slot, oldPassphrase);
    if (key !== undefined) matching.push(index);
  }
  if (matching.length === 0) {
    throw refused('luks.slot.no-match', 'The passphrase opens no key slot');
  }
  if (matching.length === active && !force) {
    throw refused('luks.slot.all', 'All key slots in use are of that passphrase', FORCE_HINT);
  }
  for (const index of matching) yield* erase(place, header, index);
}

function refuseForErasing({ newPassphrase, iterationMilliseconds }: KeySlotChange): void {
  if (newPassphrase !== undefined) {
    throw refused('luks.slot.new-given', 'What is erased gets no new passphrase');
  }
  if (iterationMilliseconds !== undefined) {
    throw refused('luks.slot.time-given', 'What is erased takes no iteration time');
  }
}

function checkIndex(slotIndex: number): void {
  if (slotIndex >= 0 && slotIndex < LUKS_NUMKEYS) return;
  throw refused(
    'luks.slot.index',
    `There is no key slot ${slotIndex}; there are 0 to ${LUKS_NUMKEYS - 1}`,
  );
}

/** The header gives the slot up before the key material goes. */
function* erase(place: WritableLuksPlace, header: LuksHeader, slotIndex: number): Step<void> {
  const { storage, hostOffset } = place;
  const { keyOffset, stripes } = header.slots[slotIndex]!;
  const salt = new Uint8Array(LUKS_SALTSIZE);
  yield* writeSlot(place, slotIndex, { isActive: false, iterations: 0, salt, keyOffset, stripes });
  const noise = randomBytes(alignUp(keyMaterialBytes(header), LUKS_SECTOR_BYTES));
  yield* writeBytes(storage, noise, hostOffset + keyOffset);
  yield* flushStorage(storage);
}

/** A slot may lie across two sectors: the word that says that it is in use comes last. */
function* writeSlot(
  { storage, hostOffset }: WritableLuksPlace,
  slotIndex: number,
  slot: LuksKeySlot,
): Step<void> {
  const at = slotAt(slotIndex);
  const bytes = encodeLuksKeySlot({ ...slot, isActive: false });
  yield* flushStorage(storage);
  yield* writeBytes(storage, bytes, hostOffset + at);
  yield* flushStorage(storage);
  if (!slot.isActive) return;
  const enabled = new Uint8Array(4);
  writeU32be(enabled, 0, LUKS_KEY_ENABLED);
  yield* writeBytes(storage, enabled, hostOffset + at);
  yield* flushStorage(storage);
}

function refused(detail: string, message: string, hint?: string): DiskError {
  return new DiskError('invalid-argument', detail, message, hint === undefined ? {} : { hint });
}
