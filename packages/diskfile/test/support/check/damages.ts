/** Kinds of damage, as data: what is done to which image, and what is known to differ from QEMU. */
import { COMPRESSED, COPIED, type ImageEditor, ZERO } from './image-editor.ts';
import type { RecipeName } from './recipes.ts';

export interface Damage {
  readonly name: string;
  readonly recipes: readonly RecipeName[];
  /** Changes the image. */
  apply(image: ImageEditor): void;
  /** QEMU cannot open or cannot check such an image, for this reason; we can. */
  readonly qemuRefuses?: string;
  /** Why a repair does not end with everything in order. QEMU's does not, either. */
  readonly left?: string;
  /** Why QEMU counts something else after our repair than that says. */
  readonly countedApart?: string;
  /** Why we do not open such an image even after a repair with which `qemu-img check` is content. */
  readonly notOpened?: string;
}

const ALL: readonly RecipeName[] = [
  'small',
  'smallest',
  'usual',
  'old',
  'wide',
  'byte',
  'extended',
  'preallocated',
  'backed',
  'snapshots',
  'bitmaps',
];
const PLAIN: readonly RecipeName[] = ['small', 'smallest', 'usual', 'old', 'backed', 'snapshots'];

const copied = (offset: number) => COPIED + BigInt(offset);

export const DAMAGES: readonly Damage[] = [
  // Refcounts
  {
    name: 'nothing',
    recipes: [
      ...ALL,
      'narrow',
      'lazy',
      'compressed',
      'compressedExtended',
      'external',
      'oldSnapshots',
    ],
    apply: () => {},
  },
  {
    name: 'refcount 0 of a data cluster',
    recipes: [...ALL, 'narrow'],
    apply: (image) => image.setRefcount(image.host(1), 0),
  },
  {
    name: 'refcount 2 of a data cluster',
    recipes: ALL,
    apply: (image) => image.setRefcount(image.host(0), 2),
  },
  {
    name: 'refcount 200 of a data cluster',
    recipes: ALL,
    apply: (image) => image.setRefcount(image.host(0), 200),
  },
  {
    name: 'largest refcount of a data cluster',
    recipes: ['small', 'wide'],
    apply: (image) =>
      image.setRefcount(image.host(0), image.refcountBits === 64 ? 2 ** 53 - 1 : 65_535),
  },
  {
    name: 'a leaked cluster',
    recipes: [...ALL, 'narrow', 'external'],
    apply(image) {
      image.resize((image.clusters + 3) * image.clusterBytes);
      image.setRefcount(image.bytes.length - 1, 1);
    },
  },
  {
    name: 'many leaked clusters',
    recipes: ['small', 'byte', 'wide', 'snapshots'],
    apply(image) {
      const first = image.clusters;
      image.resize((first + 40) * image.clusterBytes);
      for (let index = first; index < first + 40; index += 1 + (index % 3)) {
        image.setRefcount(index * image.clusterBytes, 1 + (index % 2));
      }
    },
  },
  { name: 'refcount 0 of the header', recipes: ALL, apply: (image) => image.setRefcount(0, 0) },
  { name: 'refcount 2 of the header', recipes: ALL, apply: (image) => image.setRefcount(0, 2) },
  {
    name: 'refcount 0 of the L1 table',
    recipes: ALL,
    apply: (image) => image.setRefcount(image.l1, 0),
  },
  {
    name: 'refcount 0 of an L2 table',
    recipes: ALL,
    apply: (image) => image.setRefcount(image.l2(), 0),
  },
  {
    name: 'refcount 3 of an L2 table',
    recipes: ALL,
    apply: (image) => image.setRefcount(image.l2(), 3),
  },
  {
    name: 'refcount 0 of the refcount table',
    recipes: ALL,
    apply: (image) => image.setRefcount(image.refcountTable, 0),
  },
  {
    name: 'refcount 0 of a refcount block',
    recipes: ALL,
    apply: (image) => image.setRefcount(image.refcountBlock(0), 0),
  },
  {
    name: 'a refcount block of zeros',
    recipes: [...ALL, 'narrow', 'external', 'compressed'],
    apply: (image) =>
      image.bytes.fill(0, image.refcountBlock(0), image.refcountBlock(0) + image.clusterBytes),
  },
  {
    name: 'a refcount block of ones',
    recipes: ['small', 'usual', 'wide', 'narrow', 'smallest'],
    apply: (image) =>
      image.bytes.fill(0xff, image.refcountBlock(0), image.refcountBlock(0) + image.clusterBytes),
  },
  // Refcount blocks and the refcount table
  {
    name: 'no refcount block',
    recipes: [...ALL, 'narrow', 'external', 'compressed'],
    apply: (image) => image.setU64(image.refcountTable, 0),
  },
  {
    name: 'an unaligned refcount block',
    recipes: ['small', 'usual', 'old', 'wide'],
    apply: (image) => image.setU64(image.refcountTable, image.refcountBlock(0) + 512),
  },
  {
    name: 'reserved bits in the refcount table',
    recipes: ['small', 'usual', 'old', 'smallest'],
    apply: (image) => image.setU64(image.refcountTable, image.refcountBlock(0) + 4),
  },
  {
    name: 'a refcount block beyond the end of the file',
    recipes: ['small', 'usual', 'old'],
    apply: (image) =>
      image.setU64(image.refcountTable + 8, (image.clusters + 7) * image.clusterBytes),
  },
  {
    name: 'the refcount block in use beyond the end of the file',
    recipes: ['small', 'usual', 'old'],
    apply: (image) => image.setU64(image.refcountTable, (image.clusters + 7) * image.clusterBytes),
  },
  {
    name: 'a refcount block beyond any file',
    recipes: ['small', 'old'],
    apply: (image) => image.setU64(image.refcountTable + 8, 1n << 60n),
  },
  {
    name: 'a refcount block that refcounts of one bit cannot count twice',
    recipes: ['narrow'],
    apply: (image) => image.setU64(image.refcountTable + 8, image.refcountBlock(0)),
  },
  {
    name: 'two entries for one refcount block',
    recipes: ['small', 'usual', 'old'],
    apply: (image) => image.setU64(image.refcountTable + 8, image.refcountBlock(0)),
  },
  {
    name: 'a refcount block in a data cluster',
    recipes: ['small', 'usual', 'old'],
    apply: (image) => image.setU64(image.refcountTable + 16, image.host(1)),
  },
  {
    name: 'a refcount block in the L1 table',
    recipes: ['small', 'usual'],
    apply: (image) => image.setU64(image.refcountTable + 16, image.l1),
  },
  {
    name: 'the refcount block in an L2 table',
    recipes: ['small', 'usual'],
    apply: (image) => image.setU64(image.refcountTable, image.l2()),
  },
  {
    name: 'a refcount table beyond the end of the file',
    recipes: ['small', 'usual'],
    apply: (image) => image.setU64(48, (image.clusters + 9) * image.clusterBytes),
  },
  {
    name: 'a refcount table in the L1 table',
    recipes: ['small', 'usual'],
    apply: (image) => image.setU64(48, image.l1),
  },
  {
    name: 'a refcount table of no clusters',
    recipes: ['small', 'usual', 'old'],
    apply: (image) => image.setU32(56, 0),
  },
  {
    name: 'a refcount table of more clusters than it has',
    recipes: ['small', 'usual'],
    apply: (image) => image.setU32(56, 2),
  },
  // L1 entries
  {
    name: 'an L1 entry without its copied flag',
    recipes: [...PLAIN, 'external'],
    apply: (image) => image.setU64(image.l1, image.u64(image.l1) - (image.u64(image.l1) & COPIED)),
  },
  {
    name: 'an unaligned L2 table',
    recipes: ['small', 'usual', 'snapshots'],
    apply: (image) => image.setU64(image.l1, image.u64(image.l1) + 512n),
  },
  {
    name: 'an L2 table beyond the end of the file',
    recipes: PLAIN,
    apply: (image) => image.setU64(image.l1, copied((image.clusters + 5) * image.clusterBytes)),
  },
  {
    name: 'an L2 table right behind the end of the file',
    recipes: PLAIN,
    apply: (image) => image.setU64(image.l1, copied(image.clusters * image.clusterBytes)),
  },
  {
    name: 'reserved bits in an L1 entry',
    recipes: PLAIN,
    apply: (image) => image.setU64(image.l1, image.u64(image.l1) | (1n << 58n) | 3n),
  },
  {
    name: 'an L1 entry of nothing but a flag',
    recipes: ['small', 'usual'],
    apply: (image) => image.setU64(image.l1, COPIED),
  },
  {
    name: 'two L1 entries for one L2 table',
    recipes: ['small', 'smallest', 'old'],
    apply: (image) => image.setU64(image.l1 + 8, image.u64(image.l1)),
  },
  {
    name: 'an L2 table in the L1 table',
    recipes: ['small', 'smallest'],
    apply: (image) => image.setU64(image.l1 + 8, copied(image.l1)),
  },
  {
    name: 'an L2 table in the refcount table',
    recipes: ['small', 'smallest'],
    apply: (image) => image.setU64(image.l1 + 8, copied(image.refcountTable)),
  },
  {
    name: 'an L2 table in a refcount block',
    recipes: ['small', 'smallest'],
    apply: (image) => image.setU64(image.l1 + 8, copied(image.refcountBlock(0))),
  },
  {
    name: 'an L2 table in a data cluster',
    recipes: ['small', 'smallest'],
    apply: (image) => image.setU64(image.l1 + 8, copied(image.host(0))),
  },
  {
    name: 'no L2 table any more',
    recipes: ['small', 'usual', 'snapshots', 'external'],
    apply: (image) => image.setU64(image.l1, 0),
  },
  {
    name: 'an L1 table beyond the end of the file',
    recipes: ['small', 'usual'],
    apply: (image) => image.setU64(40, (image.clusters + 9) * image.clusterBytes),
    left: 'there is no telling what the disk held',
  },
  {
    name: 'an L1 table in a data cluster',
    recipes: ['small', 'usual'],
    apply: (image) => image.setU64(40, image.host(2)),
  },
  // L2 entries
  {
    name: 'an L2 entry without its copied flag',
    recipes: [...ALL, 'external'],
    apply: (image) => image.setEntry(2, image.entry(2) - (image.entry(2) & COPIED)),
  },
  {
    name: 'an L2 entry with a copied flag and refcount 2',
    recipes: ALL,
    apply(image) {
      image.setRefcount(image.host(0), 2);
      image.setEntry(1, image.entry(0));
    },
  },
  {
    name: 'an unaligned data cluster',
    recipes: [...ALL, 'external'],
    apply: (image) => image.setEntry(2, image.entry(2) + 512n),
  },
  {
    name: 'a data cluster beyond the end of the file',
    recipes: [...ALL, 'narrow'],
    apply: (image) => image.setEntry(2, copied((image.clusters + 5) * image.clusterBytes)),
  },
  {
    name: 'a data cluster beyond any file',
    recipes: ALL,
    apply: (image) => image.setEntry(2, (1n << 55n) | COPIED),
  },
  {
    name: 'reserved bits in an L2 entry',
    recipes: ALL,
    apply: (image) => image.setEntry(2, image.entry(2) | (1n << 60n) | 0x100n),
  },
  {
    name: 'two L2 entries for one cluster',
    recipes: [...ALL, 'narrow'],
    apply: (image) => image.setEntry(1, image.entry(0)),
  },
  {
    name: 'an L2 entry for the L1 table',
    recipes: ALL,
    apply: (image) => image.setEntry(1, copied(image.l1)),
  },
  {
    name: 'an L2 entry for its own L2 table',
    recipes: ALL,
    apply: (image) => image.setEntry(1, copied(image.l2())),
  },
  {
    name: 'an L2 entry for the refcount table',
    recipes: ALL,
    apply: (image) => image.setEntry(1, copied(image.refcountTable)),
  },
  {
    name: 'an L2 entry for a refcount block',
    recipes: ALL,
    apply: (image) => image.setEntry(1, copied(image.refcountBlock(0))),
  },
  {
    name: 'an L2 entry for a free cluster',
    recipes: ALL,
    apply(image) {
      image.resize((image.clusters + 2) * image.clusterBytes);
      image.setEntry(1, copied(image.bytes.length - image.clusterBytes));
    },
  },
  {
    name: 'an L2 entry of zeros',
    recipes: [...ALL, 'external'],
    apply: (image) => image.setEntry(2, 0),
  },
  {
    name: 'an unaligned zero cluster',
    recipes: ['small', 'usual', 'backed', 'snapshots', 'external'],
    apply: (image) => image.setEntry(2, (image.entry(2) + 512n) | ZERO),
  },
  {
    name: 'a zero cluster beyond the end of the file',
    recipes: ['small', 'usual', 'backed', 'snapshots'],
    apply: (image) => image.setEntry(2, copied((image.clusters + 5) * image.clusterBytes) | ZERO),
  },
  {
    name: 'a zero cluster of version 3 in version 2',
    recipes: ['old'],
    apply: (image) => image.setEntry(2, image.entry(2) | ZERO),
  },
  // Compressed clusters
  {
    name: 'a compressed cluster with the copied flag',
    recipes: ['compressed', 'compressedExtended'],
    apply: (image) => image.setEntry(1, image.entry(1) | COPIED),
  },
  {
    name: 'a compressed cluster beyond the end of the file',
    recipes: ['compressed', 'compressedExtended'],
    apply: (image) =>
      image.setEntry(1, COMPRESSED | BigInt((image.clusters + 4) * image.clusterBytes)),
  },
  {
    name: 'a compressed cluster that ends beyond the file',
    recipes: ['compressed'],
    apply: (image) =>
      image.setEntry(
        1,
        COMPRESSED | (15n << 58n) | BigInt(image.clusters * image.clusterBytes - 100),
      ),
  },
  {
    name: 'compressed clusters in a metadata cluster',
    recipes: ['compressed'],
    apply: (image) => image.setEntry(1, COMPRESSED | BigInt(image.l1 + 77)),
  },
  {
    name: 'compressed clusters counted too often',
    recipes: ['compressed', 'compressedExtended'],
    apply: (image) => image.setRefcount(Number(image.entry(1) & 0xffff_ffffffn), 60),
  },
  {
    name: 'compressed clusters counted too little',
    recipes: ['compressed'],
    apply: (image) => image.setRefcount(Number(image.entry(1) & 0xffff_ffffffn), 1),
  },
  {
    name: 'a data cluster called compressed',
    recipes: ['small', 'usual'],
    apply: (image) => image.setEntry(1, image.entry(1) ^ COPIED ^ COMPRESSED),
  },
  {
    name: 'a compressed cluster in an image with a data file',
    recipes: ['external'],
    apply: (image) => image.setEntry(1, COMPRESSED | BigInt(image.l1)),
  },
  // Extended entries
  {
    name: 'subclusters both allocated and zero',
    recipes: ['extended'],
    apply: (image) => image.setBitmap(1, 0xffff_ffff_ffff_ffffn),
  },
  {
    name: 'subclusters without a cluster',
    recipes: ['extended'],
    apply(image) {
      image.setEntry(40, 0);
      image.setBitmap(40, 0xffn);
    },
  },
  {
    name: 'an unaligned cluster of zero subclusters',
    recipes: ['extended'],
    apply(image) {
      image.setEntry(1, image.entry(1) + 512n);
      image.setBitmap(1, 0xffff_ffffn << 32n);
    },
  },
  {
    name: 'a compressed cluster with subclusters',
    recipes: ['compressedExtended'],
    apply: (image) => image.setBitmap(1, 5n),
  },
  // Snapshots
  {
    name: 'a snapshot L1 table that is not aligned',
    recipes: ['snapshots', 'oldSnapshots'],
    apply: (image) => image.setU64(image.snapshotAt(0), image.snapshotL1(0) + 512),
    left: 'the snapshot would be lost',
  },
  {
    name: 'a snapshot L1 table that is too large',
    recipes: ['snapshots', 'oldSnapshots'],
    apply: (image) => image.setU32(image.snapshotAt(0) + 8, 5_000_000),
    left: 'the snapshot would be lost',
  },
  {
    name: 'a snapshot L1 table larger than the file',
    recipes: ['snapshots', 'oldSnapshots'],
    apply: (image) => image.setU32(image.snapshotAt(0) + 8, 1_000_000),
    left: 'the snapshot would be lost',
    countedApart: 'QEMU takes all that follows for entries of the table',
  },
  {
    name: 'a snapshot L1 table beyond the end of the file',
    recipes: ['snapshots', 'oldSnapshots'],
    apply: (image) => image.setU64(image.snapshotAt(0), (image.clusters + 6) * image.clusterBytes),
    left: 'the snapshot would be lost',
  },
  {
    name: 'two snapshots with one L1 table',
    recipes: ['snapshots'],
    apply: (image) => image.setU64(image.snapshotAt(1), image.snapshotL1(0)),
  },
  {
    name: 'a snapshot with the active L1 table',
    recipes: ['snapshots'],
    apply: (image) => image.setU64(image.snapshotAt(0), image.l1),
  },
  {
    name: 'a snapshot L1 entry with reserved bits',
    recipes: ['snapshots'],
    apply: (image) => image.setU64(image.snapshotL1(0), image.u64(image.snapshotL1(0)) | 2n),
  },
  {
    name: 'a snapshot L2 table beyond the end of the file',
    recipes: ['snapshots', 'oldSnapshots'],
    apply: (image) => image.setU64(image.snapshotL1(0), (image.clusters + 6) * image.clusterBytes),
  },
  {
    name: 'snapshots that do not tell their size',
    recipes: ['snapshots'],
    apply: (image) => {
      const at = image.snapshotAt(1);
      image.setU32(at + 36, 8);
    },
  },
  {
    name: 'more snapshots than there are',
    recipes: ['snapshots', 'oldSnapshots'],
    apply: (image) => image.setU32(60, 4),
  },
  {
    name: 'fewer snapshots than there are',
    recipes: ['snapshots', 'oldSnapshots'],
    apply: (image) => image.setU32(60, 1),
  },
  {
    name: 'no snapshot table any more',
    recipes: ['snapshots'],
    apply(image) {
      image.setU32(60, 0);
      image.setU64(64, 0);
    },
  },
  {
    name: 'a snapshot table beyond the end of the file',
    recipes: ['snapshots'],
    apply: (image) => image.setU64(64, (image.clusters + 6) * image.clusterBytes),
  },
  {
    name: 'a snapshot table in the L1 table',
    recipes: ['snapshots'],
    apply: (image) => {
      image.setU64(64, image.l1);
      image.setU32(60, 1);
    },
    notOpened: 'the snapshot has no L1 table, and an offset beyond 2^53',
  },
  {
    name: 'too much extra data of a snapshot',
    recipes: ['snapshots'],
    apply: (image) => image.setU32(image.snapshotAt(0) + 36, 2000),
    qemuRefuses: 'stops at the snapshot table',
  },
  {
    name: 'too many snapshots',
    recipes: ['snapshots'],
    apply: (image) => image.setU32(60, 70_000),
    qemuRefuses: 'stops at the snapshot table',
    notOpened: 'snapshots made of garbage have sizes beyond 2^53',
  },
  {
    name: 'an unaligned snapshot table',
    recipes: ['snapshots'],
    apply: (image) => image.setU64(64, image.snapshots + 512),
    qemuRefuses: 'stops at the snapshot table',
    left: 'all snapshots would be lost',
  },
  // Bitmaps
  {
    name: 'refcount 0 of the bitmap directory',
    recipes: ['bitmaps'],
    apply: (image) => image.setRefcount(image.bitmapDirectory, 0),
  },
  {
    name: 'refcount 3 of a bitmap table',
    recipes: ['bitmaps'],
    apply: (image) => image.setRefcount(Number(image.u64(image.bitmapDirectory)), 3),
  },
  {
    name: 'bitmaps that the image does not vouch for',
    recipes: ['bitmaps'],
    apply: (image) => image.setU64(88, 0),
  },
  {
    name: 'a bitmap table beyond the end of the file',
    recipes: ['bitmaps'],
    apply: (image) =>
      image.setU64(image.bitmapDirectory, (image.clusters + 6) * image.clusterBytes),
  },
  {
    name: 'an unaligned bitmap table',
    recipes: ['bitmaps'],
    apply: (image) => image.setU64(image.bitmapDirectory, image.u64(image.bitmapDirectory) + 512n),
    qemuRefuses: 'does not open the image',
  },
  {
    name: 'a bitmap table entry with reserved bits',
    recipes: ['bitmaps'],
    apply: (image) => {
      const at = Number(image.u64(image.bitmapDirectory));
      image.setU64(at, image.u64(at) | 6n);
    },
    qemuRefuses: 'does not open the image',
  },
  {
    name: 'fewer bitmaps than the header says',
    recipes: ['bitmaps'],
    apply: (image) => image.setU32(image.extension(0x2385_2875), 3),
    qemuRefuses: 'does not open the image',
  },
  {
    name: 'bitmaps that the header vouches for and does not name',
    recipes: ['bitmaps'],
    apply: (image) => image.setU32(image.extension(0x2385_2875) - 8, 0x1234_5678),
  },
  {
    name: 'a bitmap directory of garbage',
    recipes: ['bitmaps'],
    apply: (image) => image.bytes.fill(0xa5, image.bitmapDirectory, image.bitmapDirectory + 64),
    qemuRefuses: 'does not open the image',
  },
  // The file and the header
  {
    name: 'a truncated file with bitmaps',
    recipes: ['bitmaps'],
    apply: (image) => image.resize(Math.floor(image.bytes.length * 0.8)),
    qemuRefuses: 'does not open the image',
  },
  {
    name: 'a truncated file',
    recipes: [...ALL.filter((name) => name !== 'bitmaps'), 'narrow', 'external', 'compressed'],
    apply: (image) => image.resize(Math.floor(image.bytes.length * 0.8)),
  },
  {
    name: 'a file cut within its last cluster',
    recipes: ['small', 'usual', 'old', 'extended', 'compressed'],
    apply: (image) => image.resize(image.bytes.length - 700),
  },
  {
    name: 'a file with a tail',
    recipes: PLAIN,
    apply: (image) => image.resize(image.bytes.length + 10 * image.clusterBytes + 100),
  },
  {
    name: 'the corrupt bit',
    recipes: ['small', 'external'],
    apply: (image) => image.setU64(72, image.u64(72) | 2n),
  },
  {
    name: 'the dirty bit, and nothing wrong',
    recipes: ['small', 'lazy'],
    apply: (image) => image.setU64(72, image.u64(72) | 1n),
  },
  {
    name: 'the dirty bit, and refcounts out of date',
    recipes: ['small', 'lazy'],
    apply(image) {
      image.setU64(72, image.u64(72) | 1n);
      image.setRefcount(image.host(0), 0);
      image.setRefcount(image.l2(), 0);
    },
  },
  {
    name: 'an unknown autoclear bit',
    recipes: ['small'],
    apply(image) {
      image.setU64(88, 1n << 40n);
      image.setRefcount(image.host(0), 2);
    },
  },
  // Several at once
  {
    name: 'wrong refcounts everywhere',
    recipes: ['small', 'usual', 'wide', 'old', 'snapshots'],
    apply(image) {
      for (let index = 0; index < image.clusters; index++) {
        image.setRefcount(index * image.clusterBytes, (index * 7) % 4);
      }
    },
  },
];
