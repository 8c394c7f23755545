/** Makes tar archives a block at a time, and mends the checksums of their headers. */
const BLOCK_BYTES = 512;

export interface TarMember {
  readonly name: string;
  readonly data: Uint8Array;
  readonly type?: string;
  /** In place of the length of the data. */
  readonly sizeField?: Uint8Array;
}

export function buildTar(members: readonly TarMember[]): Buffer {
  const pieces = members.flatMap(({ name, data, type = '0', sizeField }) => {
    const header = Buffer.alloc(BLOCK_BYTES);
    header.write(name, 0, 100, 'utf8');
    header.write('0000644\0', 100, 'latin1');
    header.write(`${data.length.toString(8).padStart(11, '0')}\0`, 124, 'latin1');
    if (sizeField !== undefined) header.set(sizeField, 124);
    header.write(type, 156, 'latin1');
    header.write('ustar\x0000', 257, 'latin1');
    sumTarHeader(header);
    const padding = Buffer.alloc((BLOCK_BYTES - (data.length % BLOCK_BYTES)) % BLOCK_BYTES);
    return [header, Buffer.from(data), padding];
  });
  return Buffer.concat([...pieces, Buffer.alloc(2 * BLOCK_BYTES)]);
}

function sumTarHeader(header: Uint8Array): void {
  header.fill(0x20, 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.set(Buffer.from(`${sum.toString(8).padStart(6, '0')}\0 `), 148);
}

/** Makes the checksum right of every block that has the magic of a header. */
export function repairTarChecksums(bytes: Uint8Array): void {
  for (let at = 0; at + BLOCK_BYTES <= bytes.length; at += BLOCK_BYTES) {
    const block = bytes.subarray(at, at + BLOCK_BYTES);
    if (Buffer.from(block.subarray(257, 262)).toString('latin1') === 'ustar') sumTarHeader(block);
  }
}
