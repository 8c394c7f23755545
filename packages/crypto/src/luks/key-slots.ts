/** Key slots: from a passphrase to the master key, and the other way. */
import { alignUp, DiskError } from '@diskfile/bytes';
import {
  readBytes,
  type Step,
  type Storage,
  type WritableStorage,
  writeBytes,
} from '@diskfile/core';
import type { CryptoProvider, HashName } from '../provider.ts';
import { randomBytes } from '../random-bytes.ts';
import { sectorCipher } from '../sector-cipher.ts';
import { mergeKey, splitKey } from './anti-forensic.ts';
import { cipherSpecOf, keyMaterialBytes, type LuksHeader, type LuksKeySlot } from './header.ts';
import { LUKS_DIGESTSIZE, LUKS_SALTSIZE, LUKS_SECTOR_BYTES, LUKS_STRIPES } from './structs.ts';

/** Where a header is: at the start of an encrypted disk, or within an image of another format. */
export interface LuksPlace {
  readonly storage: Storage;
  readonly hostOffset: number;
  readonly provider: CryptoProvider;
}

/** What a passphrase opens. */
export interface UnlockedKey {
  readonly masterKey: Uint8Array;
  readonly slotIndex: number;
}

/**
 * Tries a passphrase on all slots in use.
 * @throws DiskError `wrong-key` when it opens none
 */
export function* unlock(
  place: LuksPlace,
  header: LuksHeader,
  passphrase: Uint8Array,
): Step<UnlockedKey> {
  for (const [slotIndex, slot] of header.slots.entries()) {
    if (!slot.isActive) continue;
    const masterKey = yield* openSlot(place, header, slot, passphrase);
    if (masterKey !== undefined) return { masterKey, slotIndex };
  }
  throw new DiskError(
    'wrong-key',
    'luks.wrong-passphrase',
    'Invalid password, cannot unlock any keyslot',
    { hint: 'Check the passphrase; a final newline counts as part of it.' },
  );
}

/** The master key, if the passphrase is the one of the slot. */
export function* openSlot(
  { storage, hostOffset, provider }: LuksPlace,
  header: LuksHeader,
  slot: LuksKeySlot,
  passphrase: Uint8Array,
): Step<Uint8Array | undefined> {
  const hash = hashOf(provider, header.hash);
  const slotKey = yield* provider.deriveKey({
    hash,
    password: passphrase,
    salt: slot.salt,
    iterations: slot.iterations,
    lengthBytes: header.keyBytes,
  });
  const materialBytes = keyMaterialBytes(header);
  const material = yield* readBytes(
    storage,
    hostOffset + slot.keyOffset,
    alignUp(materialBytes, LUKS_SECTOR_BYTES),
  );
  sectorCipher(provider, cipherSpecOf(header), slotKey).decrypt(material, 0);
  const { stripes } = slot;
  const candidate = mergeKey(material.subarray(0, materialBytes), { provider, hash, stripes });
  const digest = yield* digestOf(provider, header, candidate);
  return equalBytes(digest, header.masterKeyDigest) ? candidate : undefined;
}

/** Writes the master key into a slot, under a passphrase. The header still has to name the slot. */
export function* fillSlot(
  place: LuksPlace & { readonly storage: WritableStorage },
  header: LuksHeader,
  { slotIndex, masterKey }: UnlockedKey,
  { passphrase, iterations }: { passphrase: Uint8Array; iterations: number },
): Step<LuksKeySlot> {
  const { storage, hostOffset, provider } = place;
  const { keyOffset } = header.slots[slotIndex]!;
  const hash = hashOf(provider, header.hash);
  const salt = randomBytes(LUKS_SALTSIZE);
  const slotKey = yield* provider.deriveKey({
    hash,
    password: passphrase,
    salt,
    iterations,
    lengthBytes: header.keyBytes,
  });
  const stripes = LUKS_STRIPES;
  const material = new Uint8Array(alignUp(keyMaterialBytes(header), LUKS_SECTOR_BYTES));
  material.set(splitKey(masterKey, { provider, hash, stripes }));
  sectorCipher(provider, cipherSpecOf(header), slotKey).encrypt(material, 0);
  yield* writeBytes(storage, material, hostOffset + keyOffset);
  return { isActive: true, iterations, salt, keyOffset, stripes };
}

/** By what a master key is known to be the right one. */
export function digestOf(
  provider: CryptoProvider,
  header: Pick<LuksHeader, 'hash' | 'masterKeyDigestSalt' | 'masterKeyIterations'>,
  masterKey: Uint8Array,
): Step<Uint8Array> {
  return provider.deriveKey({
    hash: hashOf(provider, header.hash),
    password: masterKey,
    salt: header.masterKeyDigestSalt,
    iterations: header.masterKeyIterations,
    lengthBytes: LUKS_DIGESTSIZE,
  });
}

export function hashOf(provider: CryptoProvider, name: string): HashName {
  if (provider.hasHash(name)) return name;
  throw new DiskError(
    'unsupported',
    'luks.hash',
    `The hash ${JSON.stringify(name)} is not available`,
    { offset: 72, hint: 'sha1, sha256 and sha512 are what LUKS tools use.' },
  );
}

function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}
