/** Which names of ciphers, modes, generators and hashes a LUKS header can have. */
import { DiskError } from '@diskfile/bytes';
import { cipherSpecOf, type LuksHeader } from './header.ts';

/** Lengths of keys by the name of a cipher, which is an image's: any text. */
const KEY_BYTES: ReadonlyMap<string, readonly number[]> = new Map([
  ['aes', [16, 24, 32]],
  ['cast5', [16]],
  ['serpent', [16, 24, 32]],
  ['twofish', [16, 24, 32]],
]);
export const MODES: readonly string[] = ['xts', 'cbc', 'ctr', 'ecb'];
export const IV_GENERATORS: readonly string[] = ['plain', 'plain64', 'essiv'];
export const HASHES: readonly string[] = [
  'md5',
  'sha1',
  'sha224',
  'sha256',
  'sha384',
  'sha512',
  'ripemd160',
];
/** Fields for names have as many bytes, a zero at the end included. */
const NAME_BYTES = 32;

/** Bytes of the key that the cipher itself takes: XTS has two of them. */
export function cipherKeyBytes(header: LuksHeader): number {
  const { keyBytes } = header;
  return cipherSpecOf(header).mode === 'xts' ? keyBytes / 2 : keyBytes;
}

/** Why nobody can decrypt what the header describes; undefined where it makes sense. */
export function nameFault(header: LuksHeader): string | undefined {
  const { cipherName, cipherMode, hash } = header;
  const names = { 'cipher name': cipherName, 'cipher mode': cipherMode, 'hash spec': hash };
  for (const [what, name] of Object.entries(names)) {
    if (name.length >= NAME_BYTES) return `LUKS header ${what} is not NUL terminated`;
  }
  const { mode, ivGenerator, ivHash } = cipherSpecOf(header);
  if (ivGenerator === undefined) return `Unexpected cipher mode string format '${cipherMode}'`;
  if (ivHash !== undefined && !HASHES.includes(ivHash)) return hashFault(ivHash);
  if (!MODES.includes(mode)) return `Cipher mode '${mode}' not supported`;
  const keyBytes = cipherKeyBytes(header);
  if (KEY_BYTES.get(cipherName)?.includes(keyBytes) !== true) {
    return `Algorithm '${cipherName}' with key size ${keyBytes} bytes not supported`;
  }
  if (!HASHES.includes(hash)) return hashFault(hash);
  if (!IV_GENERATORS.includes(ivGenerator)) return `IV generator '${ivGenerator}' not supported`;
  if (ivGenerator === 'essiv' && ivHash === undefined) {
    return 'Missing IV generator hash specification';
  }
  return undefined;
}

function hashFault(name: string): string {
  return `Hash algorithm '${name}' not supported`;
}

/** @throws DiskError `unsupported` */
export function checkNames(header: LuksHeader): void {
  const fault = nameFault(header);
  if (fault !== undefined) throw new DiskError('unsupported', 'luks.names', fault);
}
