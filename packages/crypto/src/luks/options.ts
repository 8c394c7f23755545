/** How a new LUKS header is to encrypt, from options under the names of `qemu-img create -o`. */
import { DiskError } from '@diskfile/bytes';
import { HASHES, IV_GENERATORS, MODES } from './names.ts';

export interface LuksOptions {
  readonly cipherName: string;
  readonly cipherMode: string;
  readonly hash: string;
  /** Bytes of the master key. */
  readonly keyBytes: number;
  /** How long it is to take to derive a key from a passphrase, in milliseconds. */
  readonly iterationMilliseconds: number;
}

/** Their names; `key-secret` is the passphrase's and handled by whoever has it. */
export const LUKS_OPTION_NAMES = [
  'cipher-alg',
  'cipher-mode',
  'hash-alg',
  'iter-time',
  'ivgen-alg',
  'ivgen-hash-alg',
] as const;

export type LuksOptionName = (typeof LUKS_OPTION_NAMES)[number];
export type LuksOptionValues = Readonly<Partial<Record<LuksOptionName, unknown>>>;

const CIPHERS: Readonly<Record<string, number>> = { 'aes-128': 16, 'aes-192': 24, 'aes-256': 32 };
/** How long a passphrase is stretched, as with QEMU and cryptsetup. */
const DEFAULT_MILLISECONDS = 2000;

/** @throws DiskError `invalid-argument` */
export function parseLuksOptions(values: LuksOptionValues): LuksOptions {
  const cipher = choice(values, 'cipher-alg', Object.keys(CIPHERS), 'aes-256');
  const mode = choice(values, 'cipher-mode', MODES, 'xts');
  const ivGenerator = choice(values, 'ivgen-alg', IV_GENERATORS, 'plain64');
  const ivHash = choice(values, 'ivgen-hash-alg', HASHES, 'sha256');
  const cipherBytes = CIPHERS[cipher]!;
  const milliseconds = Number(values['iter-time'] ?? DEFAULT_MILLISECONDS);
  if (!Number.isSafeInteger(milliseconds) || milliseconds < 0) {
    throw invalid('iter-time', `${String(values['iter-time'])} is no number of milliseconds`);
  }
  const iv = ivGenerator === 'essiv' ? `essiv:${ivHash}` : ivGenerator;
  return {
    cipherName: 'aes',
    cipherMode: `${mode}-${iv}`,
    hash: choice(values, 'hash-alg', HASHES, 'sha256'),
    keyBytes: mode === 'xts' ? cipherBytes * 2 : cipherBytes,
    iterationMilliseconds: milliseconds,
  };
}

function choice(
  values: LuksOptionValues,
  name: LuksOptionName,
  known: readonly string[],
  fallback: string,
): string {
  const value = values[name] ?? fallback;
  if (typeof value === 'string' && known.includes(value)) return value;
  throw invalid(name, `${JSON.stringify(value)} is not available`, `Known: ${known.join(', ')}.`);
}

function invalid(option: string, message: string, hint?: string): DiskError {
  return new DiskError('invalid-argument', `luks.${option}`, `${option}: ${message}`, {
    op: 'create',
    ...(hint === undefined ? {} : { hint }),
  });
}
