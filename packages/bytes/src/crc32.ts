/**
 * The two 32-bit CRCs of disk formats, both reflected: CRC-32 (polynomial 0x04C11DB7; GPT, gzip)
 * and CRC-32C (Castagnoli, 0x1EDC6F41; ext4, VHDX, Btrfs). Slicing by eight: eight table look-ups
 * per eight bytes, about 2 GB/s.
 */

const CRC32_REFLECTED = 0xedb8_8320;
const CRC32C_REFLECTED = 0x82f6_3b78;

function makeTables(polynomial: number): Uint32Array[] {
  const tables = Array.from({ length: 8 }, () => new Uint32Array(256));
  const [first] = tables as [Uint32Array];
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ polynomial : crc >>> 1;
    first[byte] = crc;
  }
  for (let slice = 1; slice < 8; slice++) {
    const previous = tables[slice - 1]!;
    const table = tables[slice]!;
    for (let byte = 0; byte < 256; byte++) {
      table[byte] = (previous[byte]! >>> 8) ^ first[previous[byte]! & 0xff]!;
    }
  }
  return tables;
}

type Tables = [
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
];

function updateRaw(tables: Tables, bytes: Uint8Array, register: number): number {
  const [t0, t1, t2, t3, t4, t5, t6, t7] = tables;
  const end = bytes.length;
  let crc = register;
  let at = 0;
  for (; at + 8 <= end; at += 8) {
    crc =
      t7[(crc & 0xff) ^ bytes[at]!]! ^
      t6[((crc >>> 8) & 0xff) ^ bytes[at + 1]!]! ^
      t5[((crc >>> 16) & 0xff) ^ bytes[at + 2]!]! ^
      t4[(crc >>> 24) ^ bytes[at + 3]!]! ^
      t3[bytes[at + 4]!]! ^
      t2[bytes[at + 5]!]! ^
      t1[bytes[at + 6]!]! ^
      t0[bytes[at + 7]!]!;
  }
  for (; at < end; at++) crc = (crc >>> 8) ^ t0[(crc & 0xff) ^ bytes[at]!]!;
  return crc >>> 0;
}

let crc32Tables: Tables | undefined;
let crc32cTables: Tables | undefined;

/**
 * CRC-32 as in GPT and gzip: initial value and final xor all ones.
 * @param before the CRC of what precedes `bytes`
 */
export function crc32(bytes: Uint8Array, before = 0): number {
  return ~crc32Raw(bytes, ~before >>> 0) >>> 0;
}

/** The CRC-32 register after `bytes`, from a given register and with no final xor. */
export function crc32Raw(bytes: Uint8Array, register: number): number {
  crc32Tables ??= makeTables(CRC32_REFLECTED) as Tables;
  return updateRaw(crc32Tables, bytes, register);
}

/** CRC-32C, initial value and final xor all ones (VHDX, iSCSI). */
export function crc32c(bytes: Uint8Array): number {
  return ~crc32cRaw(bytes, 0xffff_ffff) >>> 0;
}

/**
 * The CRC-32C register after `bytes`, from a given register and with no final xor: what ext4 and
 * jbd2 chain from field to field.
 */
export function crc32cRaw(bytes: Uint8Array, register: number): number {
  crc32cTables ??= makeTables(CRC32C_REFLECTED) as Tables;
  return updateRaw(crc32cTables, bytes, register);
}

/** The register after CRC-32 (polynomial 0x04C11DB7, most significant bit first), no final xor. */
export function crc32BigEndianRaw(bytes: Uint8Array, register: number): number {
  crc32BigEndianTable ??= makeBigEndianTable(0x04c1_1db7);
  let crc = register;
  for (const byte of bytes) crc = (crc << 8) ^ crc32BigEndianTable[(crc >>> 24) ^ byte]!;
  return crc >>> 0;
}

let crc32BigEndianTable: Uint32Array | undefined;

function makeBigEndianTable(polynomial: number): Uint32Array {
  return Uint32Array.from({ length: 256 }, (_, byte) => {
    let crc = byte << 24;
    for (let bit = 0; bit < 8; bit++) crc = crc < 0 ? (crc << 1) ^ polynomial : crc << 1;
    return crc >>> 0;
  });
}
