/** Where the bitmaps of an image lie, for tests that damage them. Reads what is sound only. */

export interface BitmapPlace {
  /** Of the directory entry. */
  readonly entry: number;
  readonly table: number;
  readonly tableEntries: number;
}

export interface BitmapPlaces {
  /** Of the data of the header extension. */
  readonly extension: number;
  readonly directory: number;
  readonly bitmaps: readonly BitmapPlace[];
}

const BITMAPS_EXTENSION = 0x2385_2875;

export function bitmapPlaces(image: Uint8Array): BitmapPlaces {
  const view = new DataView(image.buffer, image.byteOffset, image.length);
  let header = view.getUint32(100);
  while (view.getUint32(header) !== BITMAPS_EXTENSION) {
    header += 8 + Math.ceil(view.getUint32(header + 4) / 8) * 8;
  }
  const extension = header + 8;
  const directory = Number(view.getBigUint64(extension + 16));
  const end = directory + Number(view.getBigUint64(extension + 8));
  const bitmaps: BitmapPlace[] = [];
  for (let entry = directory; entry < end;) {
    const table = Number(view.getBigUint64(entry));
    bitmaps.push({ entry, table, tableEntries: view.getUint32(entry + 8) });
    entry += Math.ceil((24 + view.getUint16(entry + 18) + view.getUint32(entry + 20)) / 8) * 8;
  }
  return { extension, directory, bitmaps };
}
