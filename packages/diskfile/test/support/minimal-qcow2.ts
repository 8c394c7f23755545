/** The smallest qcow2 images that name another file: a header, an empty L1 table, nothing else. */
import { encodeName, writeU32be, writeU64be } from '@diskfile/bytes';

const CLUSTER = 65536;

export interface MinimalQcow2 {
  readonly backing?: string;
  readonly backingFormat?: string;
  readonly dataFile?: string;
}

/** A version 3 image of one megabyte in which nothing is allocated. */
export function minimalQcow2({ backing, backingFormat, dataFile }: MinimalQcow2): Uint8Array {
  const image = new Uint8Array(4 * CLUSTER);
  image.set([0x51, 0x46, 0x49, 0xfb]);
  writeU32be(image, 4, 3);
  writeU32be(image, 20, 16);
  writeU64be(image, 24, 1024 * 1024);
  writeU32be(image, 36, 1);
  writeU64be(image, 40, 3 * CLUSTER);
  writeU64be(image, 48, CLUSTER);
  writeU32be(image, 56, 1);
  writeU64be(image, 72, dataFile === undefined ? 0 : 4);
  writeU32be(image, 96, 4);
  writeU32be(image, 100, 104);
  let at = 104;
  const extension = (type: number, text: string): void => {
    const bytes = encodeName(text);
    writeU32be(image, at, type);
    writeU32be(image, at + 4, bytes.length);
    image.set(bytes, at + 8);
    at += 8 + Math.ceil(bytes.length / 8) * 8;
  };
  if (backingFormat !== undefined) extension(0xe2792aca, backingFormat);
  if (dataFile !== undefined) extension(0x44415441, dataFile);
  at += 8;
  if (backing !== undefined) {
    const name = encodeName(backing);
    writeU64be(image, 8, at);
    writeU32be(image, 16, name.length);
    image.set(name, at);
  }
  return image;
}
