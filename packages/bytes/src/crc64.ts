/**
 * CRC-64 of xz (ECMA-182, reflected; initial value and final xor all ones). A register is two
 * halves of 32 bits, and so is the table.
 */
const HIGH_REFLECTED = 0xc96c_5795;
const LOW_REFLECTED = 0xd787_0f42;

interface Tables {
  readonly high: Uint32Array;
  readonly low: Uint32Array;
}

let tables: Tables | undefined;

function makeTables(): Tables {
  const made = { high: new Uint32Array(256), low: new Uint32Array(256) };
  for (let byte = 0; byte < 256; byte++) {
    let high = 0;
    let low = byte;
    for (let bit = 0; bit < 8; bit++) {
      const carry = low & 1;
      low = (low >>> 1) | (high << 31);
      high >>>= 1;
      if (carry === 1) {
        high ^= HIGH_REFLECTED;
        low ^= LOW_REFLECTED;
      }
    }
    made.high[byte] = high;
    made.low[byte] = low;
  }
  return made;
}

/** Both halves of a CRC-64, or of its register. */
export interface Crc64 {
  readonly high: number;
  readonly low: number;
}

/** The register before anything. */
export const CRC64_START: Crc64 = { high: 0xffff_ffff, low: 0xffff_ffff };

export function crc64(bytes: Uint8Array): Crc64 {
  const { high, low } = crc64Raw(bytes, CRC64_START);
  return { high: ~high >>> 0, low: ~low >>> 0 };
}

/** The register after `bytes`, from a given register and with no final xor. */
export function crc64Raw(bytes: Uint8Array, register: Crc64): Crc64 {
  tables ??= makeTables();
  const { high: highTable, low: lowTable } = tables;
  let { high, low } = register;
  for (let at = 0; at < bytes.length; at++) {
    const index = (low ^ bytes[at]!) & 0xff;
    low = ((low >>> 8) | (high << 24)) ^ lowTable[index]!;
    high = (high >>> 8) ^ highTable[index]!;
  }
  return { high: high >>> 0, low: low >>> 0 };
}
