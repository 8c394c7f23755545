/**
 * What qcow and qcow2 call encryption by AES: CBC with 128 bits, under a key that is the password
 * itself. Kept for old images; it protects little.
 */
import type { CryptoProvider } from './provider.ts';
import { type SectorCipher, sectorCipher } from './sector-cipher.ts';

const KEY_BYTES = 16;

export function legacyAesCipher(provider: CryptoProvider, password: Uint8Array): SectorCipher {
  const key = new Uint8Array(KEY_BYTES);
  key.set(password.subarray(0, KEY_BYTES));
  const spec = { cipher: 'aes', mode: 'cbc', ivGenerator: 'plain64', ivHash: undefined };
  return sectorCipher(provider, spec, key);
}
