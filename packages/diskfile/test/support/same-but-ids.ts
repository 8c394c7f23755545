/** Images of VDI, VHD and VHDX without what differs each time that one is made or written. */
const KIB = 1024;
const MIB = 1024 * KIB;

/** Blanks what is random, names the program, or tells the time; returns the same buffer. */
export function withoutIds(format: string, image: Buffer): Buffer {
  const blank = (start: number, end: number) => void image.fill(0, start, end);
  if (format === 'vdi') {
    blank(0, 64);
    blank(392, 424);
  } else if (format === 'vpc') {
    const isFixed = image.toString('latin1', 0, 8) !== 'conectix';
    for (const at of isFixed ? [image.length - 512] : [0, image.length - 512]) {
      blank(at + 24, at + 28);
      blank(at + 64, at + 84);
    }
  } else {
    // Creator; checksums, random sequence numbers and ids of headers; the disk's id.
    blank(8, 520);
    for (const at of [64 * KIB, 128 * KIB]) blank(at + 4, at + 48);
    // QEMU does not call its regions required, as the specification has it.
    for (const at of [192 * KIB, 256 * KIB]) {
      blank(at + 4, at + 8);
      for (const entry of [16, 48]) blank(at + entry + 28, at + entry + 32);
    }
    const metadata = image.indexOf('metadata', MIB, 'latin1');
    blank(metadata + 64 * KIB + 16, metadata + 64 * KIB + 32);
  }
  return image;
}

/** The log of a VHDX disk, which takes its entries as the program likes. */
export function withoutLog(image: Buffer): Buffer {
  for (const at of [64 * KIB, 128 * KIB]) {
    const lengthBytes = image.readUInt32LE(at + 68);
    const offset = Number(image.readBigUInt64LE(at + 72));
    image.fill(0, offset, offset + lengthBytes);
    image.fill(0, at + 4, at + 64);
  }
  return image;
}

/** Offsets of the first bytes that differ; the lengths where these do. */
export function differences(ours: Buffer, theirs: Buffer): string[] {
  if (ours.length !== theirs.length) return [`${ours.length} bytes, not ${theirs.length}`];
  const found: string[] = [];
  for (let at = 0; at < ours.length && found.length < 20; at++) {
    if (ours[at] !== theirs[at]) found.push(`${at}: ${ours[at]}, not ${theirs[at]}`);
  }
  return found;
}
