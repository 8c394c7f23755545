/** Which names of ciphers, modes, generators and hashes a LUKS header can have. */
import { DiskError } from '@diskfile/bytes';
import { cipherSpecOf, type LuksHeader } from './header.ts';

const KEY_BYTES: Readonly<Record<string, readonly number[]>> = {
  aes: [16, 24, 32],
  cast5: [16],
  serpent: [16, 24, 32],
  twofish: [16, 24, 32],
};
const MODES: ReadonlySet<string> = new Set(['xts', 'cbc', 'ctr', 'ecb']);
const IV_GENERATORS: ReadonlySet<string> = new Set(['plain', 'plain64', 'essiv']);
const HASHES: ReadonlySet<string> = new Set([
  'md5',
  'sha1',
  'sha224',
  'sha256',
  'sha384',
  'sha512',
  'ripemd160',
]);
/** Fields for names have as many bytes, a zero at the end included. */
const NAME_BYTES = 32;

/** Bytes of the key that the cipher itself takes: XTS has two of them. */
export function cipherKeyBytes({ cipherMode, keyBytes }: LuksHeader): number {
  return /^xts(?:-|$)/.test(cipherMode) ? keyBytes / 2 : keyBytes;
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
  if (ivHash !== undefined && !HASHES.has(ivHash)) return hashFault(ivHash);
  if (!MODES.has(mode)) return `Cipher mode '${mode}' not supported`;
  const keyBytes = cipherKeyBytes(header);
  if (KEY_BYTES[cipherName]?.includes(keyBytes) !== true) {
    return `Algorithm '${cipherName}' with key size ${keyBytes} bytes not supported`;
  }
  if (!HASHES.has(hash)) return hashFault(hash);
  if (!IV_GENERATORS.has(ivGenerator)) return `IV generator '${ivGenerator}' not supported`;
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
