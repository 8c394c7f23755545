/** CRC-16 with the reflected polynomial 0x8005, as ext4's group descriptors use it (gdt_csum). */

const POLYNOMIAL_REFLECTED = 0xa001;

let table: Uint16Array | undefined;

function makeTable(): Uint16Array {
  return Uint16Array.from({ length: 256 }, (_, byte) => {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++)
      crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL_REFLECTED : crc >>> 1;
    return crc;
  });
}

/** The register after `bytes`, from a given register and with no final xor. */
export function crc16Raw(bytes: Uint8Array, register: number): number {
  table ??= makeTable();
  let crc = register;
  for (const byte of bytes) crc = (crc >>> 8) ^ table[(crc ^ byte) & 0xff]!;
  return crc;
}
