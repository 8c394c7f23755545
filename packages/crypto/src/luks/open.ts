/** From a LUKS header and a passphrase to the cipher of the disk. */
import { readBytes, type Step } from '@diskfile/core';
import { type SectorCipher, sectorCipher } from '../sector-cipher.ts';
import { cipherSpecOf, type LuksBounds, type LuksHeader, parseLuksHeader } from './header.ts';
import { type LuksPlace, unlock } from './key-slots.ts';
import { checkNames } from './names.ts';
import { LUKS_HEADER_BYTES } from './structs.ts';

/** @throws DiskError `corrupt`, `unsupported`, `limit` */
export function* readLuksHeader(
  { storage, hostOffset }: Omit<LuksPlace, 'provider'>,
  bounds: LuksBounds,
): Step<LuksHeader> {
  const head = yield* readBytes(storage, hostOffset, LUKS_HEADER_BYTES);
  return parseLuksHeader(head, bounds);
}

/** @throws DiskError `wrong-key`, `unsupported` */
export function* openLuks(
  place: LuksPlace,
  header: LuksHeader,
  passphrase: Uint8Array,
): Step<SectorCipher> {
  checkNames(header);
  const { masterKey } = yield* unlock(place, header, passphrase);
  return sectorCipher(place.provider, cipherSpecOf(header), masterKey);
}
