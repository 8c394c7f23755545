/** New LUKS1 headers, laid out as QEMU and cryptsetup lay them out. */
import { alignUp, DiskError, formatUuid, randomUuid } from '@diskfile/bytes';
import { type Step, type WritableStorage, writeBytes } from '@diskfile/core';
import type { CryptoProvider, HashName } from '../provider.ts';
import { randomBytes } from '../random-bytes.ts';
import { sectorCipher } from '../sector-cipher.ts';
import {
  cipherSpecOf,
  encodeLuksHeader,
  keyMaterialBytes,
  type LuksHeader,
  type LuksKeySlot,
} from './header.ts';
import { digestOf, fillSlot, hashOf } from './key-slots.ts';
import type { LuksOptions } from './options.ts';
import { LUKS_NUMKEYS, LUKS_SALTSIZE, LUKS_STRIPES } from './structs.ts';

/** Key material and payload begin at multiples of it. */
const ALIGNMENT_BYTES = 4096;
const MIN_ITERATIONS = 1000;
/** The digest of the master key is no secret of people, so it needs less work. */
const DIGEST_SHARE = 8;
/** Iterations that are timed at first; more when that was too short to tell. */
const TRIAL_ITERATIONS = 10_000;
const TRIAL_MILLISECONDS = 20;

export interface NewLuksHeader {
  readonly header: LuksHeader;
  readonly masterKey: Uint8Array;
}

/** Bytes that a header with all its key slots takes; what comes behind it is the encrypted disk. */
export function luksHeaderBytes(keyBytes: number): number {
  const slotBytes = alignUp(keyMaterialBytes({ keyBytes }), ALIGNMENT_BYTES);
  return ALIGNMENT_BYTES + LUKS_NUMKEYS * slotBytes;
}

/**
 * Writes a header with one key slot, and makes up the master key. Not flushed.
 * @throws DiskError `unsupported` for ciphers and hashes that are not there
 */
export function* writeNewHeader(
  place: { storage: WritableStorage; hostOffset: number; provider: CryptoProvider },
  options: LuksOptions,
  passphrase: Uint8Array,
): Step<NewLuksHeader> {
  const { storage, hostOffset, provider } = place;
  const { keyBytes } = options;
  const hash = hashOf(provider, options.hash);
  const iterations = yield* iterationsIn(provider, hash, keyBytes, options.iterationMilliseconds);
  const masterKey = randomBytes(keyBytes);
  const draft: LuksHeader = {
    cipherName: options.cipherName,
    cipherMode: options.cipherMode,
    hash,
    payloadOffset: luksHeaderBytes(keyBytes),
    keyBytes,
    masterKeyDigest: new Uint8Array(0),
    masterKeyDigestSalt: randomBytes(LUKS_SALTSIZE),
    masterKeyIterations: Math.max(MIN_ITERATIONS, Math.ceil(iterations / DIGEST_SHARE)),
    uuid: formatUuid(randomUuid()),
    slots: freeSlots(keyBytes),
  };
  // What cannot be opened again must not be made.
  sectorCipher(provider, cipherSpecOf(draft), masterKey);
  const masterKeyDigest = yield* digestOf(provider, draft, masterKey);
  const key = { masterKey, slotIndex: 0 };
  const slot = yield* fillSlot(place, draft, key, { passphrase, iterations });
  const header = { ...draft, masterKeyDigest, slots: draft.slots.with(0, slot) };
  yield* writeBytes(storage, encodeLuksHeader(header), hostOffset);
  return { header, masterKey };
}

function freeSlots(keyBytes: number): readonly LuksKeySlot[] {
  const slotBytes = alignUp(keyMaterialBytes({ keyBytes }), ALIGNMENT_BYTES);
  return Array.from({ length: LUKS_NUMKEYS }, (_, index) => ({
    isActive: false,
    iterations: 0,
    salt: new Uint8Array(LUKS_SALTSIZE),
    keyOffset: ALIGNMENT_BYTES + index * slotBytes,
    stripes: LUKS_STRIPES,
  }));
}

/** How many iterations of PBKDF2 this machine does in a time. */
export function* iterationsIn(
  provider: CryptoProvider,
  hash: HashName,
  keyBytes: number,
  milliseconds: number,
): Step<number> {
  const now = () => globalThis.performance.now();
  const trial = (iterations: number) => ({
    hash,
    password: new Uint8Array(16),
    salt: new Uint8Array(LUKS_SALTSIZE),
    iterations,
    lengthBytes: keyBytes,
  });
  for (let iterations = TRIAL_ITERATIONS; ; iterations *= 4) {
    const start = now();
    yield* provider.deriveKey(trial(iterations));
    const elapsed = now() - start;
    if (elapsed < TRIAL_MILLISECONDS) continue;
    const wanted = Math.round((iterations / elapsed) * milliseconds);
    if (wanted > 0xffff_ffff) throw tooLong(milliseconds);
    return Math.max(MIN_ITERATIONS, wanted);
  }
}

function tooLong(milliseconds: number): DiskError {
  return new DiskError(
    'invalid-argument',
    'luks.iter-time',
    `${milliseconds} ms are more iterations than the header can say`,
    { hint: 'Choose a shorter iter-time.' },
  );
}
