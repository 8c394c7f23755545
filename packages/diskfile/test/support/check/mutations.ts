/** Random damage to the metadata of an image. */
import type { SeededRandom } from '@diskfile/testkit';
import type { ImageEditor } from './image-editor.ts';

/** Values that mean something somewhere, besides chance ones. */
const INTERESTING = [0n, 1n, 0x200n, 1n << 55n, 1n << 61n, 1n << 62n, 1n << 63n, (1n << 64n) - 1n];

/** Host ranges of the image where a change means something. */
function metadataRanges(image: ImageEditor): [start: number, end: number][] {
  const { clusterBytes, bytes } = image;
  const ranges: [number, number][] = [
    [image.l1, image.l1 + image.u32(36) * 8],
    [image.refcountTable, image.refcountTable + 64],
    [image.refcountBlock(0), image.refcountBlock(0) + (image.clusters * image.refcountBits) / 8],
  ];
  for (let index = 0; index < image.u32(36); index++) {
    const l2 = image.l2(index);
    if (l2 !== 0) ranges.push([l2, l2 + Math.min(clusterBytes, 128 * image.entryBytes)]);
  }
  for (let index = 0; index < image.u32(60); index++) {
    ranges.push([image.snapshotAt(index), image.snapshotAt(index) + 64]);
    ranges.push([image.snapshotL1(index), image.snapshotL1(index) + image.u32(36) * 8]);
  }
  return ranges.filter(([start, end]) => start < end && end <= bytes.length);
}

/** Makes one to four changes. Says what was done, for messages. */
export function mutate(image: ImageEditor, random: SeededRandom): string {
  const done: string[] = [];
  const ranges = metadataRanges(image);
  for (let count = 1 + random.below(4); count > 0; count--) {
    const [start, end] = random.pick(ranges);
    const at = start + random.below(end - start);
    const field = Math.min(at - (at % 8), image.bytes.length - 8);
    const kind = random.below(7);
    if (kind === 0) image.bytes[at] = random.below(256);
    else if (kind === 1) image.bytes[at]! ^= 1 << random.below(8);
    else if (kind === 2) image.setU64(field, random.pick(INTERESTING));
    else if (kind === 3) {
      // The offset of some cluster of the file, or right behind it.
      const cluster = random.below(image.clusters + 3) * image.clusterBytes;
      image.setU64(field, (BigInt(random.below(2)) << 63n) | BigInt(cluster));
    } else if (kind === 4) image.setU64(field, image.u64(field) ^ (1n << BigInt(random.below(64))));
    else if (kind === 5) image.setU64(field, image.u64(Math.min(random.pick(ranges)[0], field)));
    else image.resize(image.bytes.length + (random.below(7) - 3) * 512);
    done.push(`${kind}@${at.toString(16)}`);
  }
  return done.join(' ');
}
