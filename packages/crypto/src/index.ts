/** Encryption of disks: sector ciphers, LUKS headers, and storages that decrypt. */
export { CipherStorage, type CipherStorageOptions } from './cipher-storage.ts';
export { type EncryptedData, GuestKeyedData, HostKeyedData } from './encrypted-data.ts';
export { passphraseMissing } from './errors.ts';
export { legacyAesCipher } from './legacy-aes.ts';
export { changeKeySlots } from './luks/change-slots.ts';
export { luksHeaderBytes, writeNewHeader } from './luks/create.ts';
export { describeLuks } from './luks/details.ts';
export { isLuks, type LuksBounds, type LuksHeader } from './luks/header.ts';
export { openLuks, readLuksHeader } from './luks/open.ts';
export {
  LUKS_OPTION_NAMES,
  type LuksOptionName,
  type LuksOptions,
  type LuksOptionValues,
  parseLuksOptions,
} from './luks/options.ts';
export { LUKS_HEADER_BYTES } from './luks/structs.ts';
export { loadCrypto } from './load-crypto.ts';
export type { CryptoProvider } from './provider.ts';
export { SECTOR_BYTES, type SectorCipher, sectorCipher } from './sector-cipher.ts';
