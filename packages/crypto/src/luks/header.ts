/** The LUKS1 header: parsed and checked, and encoded. */
import { decodeFixedText, divideUp, DiskError } from '@diskfile/bytes';
import type { CipherSpec } from '../sector-cipher.ts';
import {
  LUKS_HEADER_BYTES,
  LUKS_KEY_DISABLED,
  LUKS_KEY_ENABLED,
  LUKS_MAGIC,
  LUKS_NUMKEYS,
  LUKS_SECTOR_BYTES,
  LUKS_STRIPES,
  luksKeySlot,
  luksPhdr,
} from './structs.ts';

export interface LuksKeySlot {
  readonly isActive: boolean;
  /** Of PBKDF2, from the passphrase to the key of the slot. */
  readonly iterations: number;
  readonly salt: Uint8Array;
  /** Where the key material begins, from the start of the header. */
  readonly keyOffset: number;
  readonly stripes: number;
}

export interface LuksHeader {
  readonly cipherName: string;
  /** With the generator of initialisation vectors: `xts-plain64`, `cbc-essiv:sha256`. */
  readonly cipherMode: string;
  readonly hash: string;
  /** Where the encrypted disk begins, from the start of the header. */
  readonly payloadOffset: number;
  readonly keyBytes: number;
  readonly masterKeyDigest: Uint8Array;
  readonly masterKeyDigestSalt: Uint8Array;
  readonly masterKeyIterations: number;
  readonly uuid: string;
  readonly slots: readonly LuksKeySlot[];
}

/** The largest key that any cipher here takes: two of 256 bits. */
const MAX_KEY_BYTES = 64;
/** What a header is held against. */
export interface LuksBounds {
  /** Bytes that there are from the start of the header on. */
  readonly availableBytes: number;
  readonly maxKeyIterations: number;
}

/**
 * @param head {@link LUKS_HEADER_BYTES} from the start of the header
 * @throws DiskError `corrupt`, `unsupported`, `limit`
 */
export function parseLuksHeader(head: Uint8Array, bounds: LuksBounds): LuksHeader {
  const raw = luksPhdr.decode(head);
  if (!isLuks(head)) throw corrupt('luks.magic', 'There is no LUKS header', 0);
  if (raw.version !== 1) throw unsupportedVersion(raw.version);
  const payloadOffset = raw['payload-offset'] * LUKS_SECTOR_BYTES;
  const keyBytes = raw['key-bytes'];
  if (keyBytes === 0 || keyBytes > MAX_KEY_BYTES) {
    throw corrupt('luks.key-bytes', `A master key of ${keyBytes} bytes fits no cipher`, 108);
  }
  const { maxKeyIterations } = bounds;
  checkIterations(raw['mk-digest-iterations'], 164, maxKeyIterations);
  const slots = Array.from({ length: LUKS_NUMKEYS }, (_, index) =>
    parseSlot(head, index, maxKeyIterations),
  );
  const header: LuksHeader = {
    cipherName: decodeFixedText(raw['cipher-name']),
    cipherMode: decodeFixedText(raw['cipher-mode']),
    hash: decodeFixedText(raw['hash-spec']),
    payloadOffset,
    keyBytes,
    masterKeyDigest: raw['mk-digest'],
    masterKeyDigestSalt: raw['mk-digest-salt'],
    masterKeyIterations: raw['mk-digest-iterations'],
    uuid: decodeFixedText(raw.uuid),
    slots,
  };
  checkPlaces(header, bounds.availableBytes);
  return header;
}

export function isLuks(head: Uint8Array): boolean {
  return LUKS_MAGIC.every((byte, at) => head[at] === byte);
}

function parseSlot(head: Uint8Array, index: number, maxIterations: number): LuksKeySlot {
  const at = slotAt(index);
  const raw = luksKeySlot.decode(head, at);
  if (raw.active !== LUKS_KEY_ENABLED && raw.active !== LUKS_KEY_DISABLED) {
    throw corrupt('luks.slot-state', `Key slot ${index} is neither in use nor free`, at);
  }
  const isActive = raw.active === LUKS_KEY_ENABLED;
  if (raw.stripes !== LUKS_STRIPES) {
    throw corrupt(
      'luks.stripes',
      `Key slot ${index} is split into ${raw.stripes} stripes, not ${LUKS_STRIPES}`,
      at + 44,
    );
  }
  if (isActive) checkIterations(raw.iterations, at + 4, maxIterations);
  return {
    isActive,
    iterations: raw.iterations,
    salt: raw.salt,
    keyOffset: raw['key-material-offset'] * LUKS_SECTOR_BYTES,
    stripes: raw.stripes,
  };
}

/** Where a slot lies in the header. */
export function slotAt(index: number): number {
  return luksPhdr.spanBytes + index * luksKeySlot.spanBytes;
}

function checkIterations(iterations: number, at: number, maxIterations: number): void {
  if (iterations === 0) throw corrupt('luks.iterations', 'A key is derived in no iterations', at);
  if (iterations <= maxIterations) return;
  throw new DiskError(
    'limit',
    'luks.iterations',
    `A key is derived in ${iterations} iterations, more than ${maxIterations}`,
    { offset: at, hint: 'Raise limits.maxKeyIterations if the image can be trusted.' },
  );
}

/** Bytes that the material of one key takes: it is split into stripes of its own length. */
export function keyMaterialBytes({ keyBytes }: { readonly keyBytes: number }): number {
  return keyBytes * LUKS_STRIPES;
}

function checkPlaces(header: LuksHeader, availableBytes: number): void {
  const materialBytes = divideUp(keyMaterialBytes(header), LUKS_SECTOR_BYTES) * LUKS_SECTOR_BYTES;
  const { payloadOffset, slots } = header;
  const end = Math.min(payloadOffset, availableBytes);
  if (payloadOffset < LUKS_HEADER_BYTES) {
    throw corrupt('luks.payload-offset', 'The encrypted data begins within the header', 104);
  }
  for (const [index, { keyOffset }] of slots.entries()) {
    const isBehind = keyOffset >= LUKS_HEADER_BYTES;
    const isWithin = isBehind && keyOffset + materialBytes <= end;
    const other = slots.findIndex(
      (each, at) => at > index && Math.abs(each.keyOffset - keyOffset) < materialBytes,
    );
    if (isWithin && other === -1) continue;
    const outside = isBehind ? 'reaches into the encrypted data' : 'begins within the header';
    const what = isWithin ? `overlaps that of slot ${other}` : outside;
    throw corrupt(
      'luks.key-material',
      `The key material of slot ${index} ${what}`,
      slotAt(index) + 40,
    );
  }
}

/** The header with which the image's own names for the cipher become those of the cipher. */
export function cipherSpecOf({ cipherName, cipherMode }: LuksHeader): CipherSpec {
  const [mode = '', rest] = splitOnce(cipherMode, '-');
  const [ivGenerator, ivHash] = rest === undefined ? [undefined, undefined] : splitOnce(rest, ':');
  return { cipher: cipherName, mode, ivGenerator, ivHash };
}

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at === -1 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}

export function encodeLuksHeader(header: LuksHeader): Uint8Array {
  const bytes = new Uint8Array(LUKS_HEADER_BYTES);
  luksPhdr.encode(
    {
      magic: LUKS_MAGIC,
      version: 1,
      'cipher-name': fixedText(header.cipherName),
      'cipher-mode': fixedText(header.cipherMode),
      'hash-spec': fixedText(header.hash),
      'payload-offset': header.payloadOffset / LUKS_SECTOR_BYTES,
      'key-bytes': header.keyBytes,
      'mk-digest': header.masterKeyDigest,
      'mk-digest-salt': header.masterKeyDigestSalt,
      'mk-digest-iterations': header.masterKeyIterations,
      uuid: fixedText(header.uuid),
    },
    bytes,
  );
  for (const [index, slot] of header.slots.entries()) {
    bytes.set(encodeLuksKeySlot(slot), slotAt(index));
  }
  return bytes;
}

export function encodeLuksKeySlot(slot: LuksKeySlot): Uint8Array {
  const bytes = new Uint8Array(luksKeySlot.spanBytes);
  luksKeySlot.encode(
    {
      active: slot.isActive ? LUKS_KEY_ENABLED : LUKS_KEY_DISABLED,
      iterations: slot.iterations,
      salt: slot.salt,
      'key-material-offset': slot.keyOffset / LUKS_SECTOR_BYTES,
      stripes: slot.stripes,
    },
    bytes,
  );
  return bytes;
}

function fixedText(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function unsupportedVersion(version: number): DiskError {
  return new DiskError('unsupported', 'luks.version', `LUKS version ${version} cannot be read`, {
    offset: 6,
    hint: 'Version 1 can, which is what disk images have; "cryptsetup convert" may help.',
  });
}

export function corrupt(detail: string, message: string, offset: number): DiskError {
  return new DiskError('corrupt', detail, message, { offset });
}
