/** Disks of Parallels that a descriptor lists the files of. */
import { openDiskFile } from 'diskfile';
import { exerciseDisk } from '../exercise/disk.ts';
import { ExtentFiles } from '../exercise/extent-files.ts';
import { UntouchableStorage } from '../exercise/guarded-storage.ts';
import type { FuzzTarget } from '../fuzz-target.ts';
import type { SeedImage } from '../seed-image.ts';
import { parallelsSeeds } from '../seeds/parallels.ts';

/** Each input is an expanding image, and behind it the descriptor that names it as `a.hds`. */
const [IMAGE] = parallelsSeeds();
const IMAGE_BYTES = IMAGE!.bytes.length;
const SECTORS = 799;
const GUIDS = ['{5fbaabe3-6958-40ff-92a7-860e329aab41}', '{00000000-0000-0000-0000-000000000007}'];
const NONE = '{00000000-0000-0000-0000-000000000000}';

function image(guid: string, type: string, file: string): string {
  return `<Image><GUID>${guid}</GUID><Type>${type}</Type><File>${file}</File></Image>`;
}

function descriptor(size: number, storages: string): Uint8Array {
  const shots = GUIDS.map((guid, at) => {
    const parent = GUIDS[at + 1] ?? NONE;
    return `<Shot><GUID>${guid}</GUID><ParentGUID>${parent}</ParentGUID></Shot>`;
  });
  return new TextEncoder().encode(
    `<?xml version='1.0'?><Parallels_disk_image Version="1.0"><Disk_Parameters>` +
      `<Disk_size>${size}</Disk_size><Padding>0</Padding></Disk_Parameters>` +
      `<StorageData>${storages}</StorageData>` +
      `<Snapshots>${shots.join('')}</Snapshots></Parallels_disk_image>`,
  );
}

function seeds(): SeedImage[] {
  const over = image(GUIDS[0]!, 'Compressed', 'a.hds');
  const root = image(GUIDS[1]!, 'Compressed', 'b.hds');
  const plain = image(GUIDS[1]!, 'Plain', 'c.raw');
  const range = (start: number, end: number, images: string) =>
    `<Storage><Start>${start}</Start><End>${end}</End>${images}</Storage>`;
  return [
    seed('over an expanding image', range(0, SECTORS, over + root)),
    seed('over a plain file', range(0, SECTORS, over + plain)),
    seed('split', range(0, 300, over + plain) + range(300, SECTORS, over + root)),
  ];
}

function seed(name: string, storages: string): SeedImage {
  const markup = descriptor(SECTORS, storages);
  const bytes = new Uint8Array(IMAGE_BYTES + markup.length);
  bytes.set(IMAGE!.bytes);
  bytes.set(markup, IMAGE_BYTES);
  return { ...IMAGE!, name, bytes, repair: (mutant) => mendMarkup(mutant, markup) };
}

/** Puts back everything but the text between tags. */
function mendMarkup(mutant: Uint8Array, markup: Uint8Array): void {
  const end = Math.min(markup.length, mutant.length - IMAGE_BYTES);
  let isText = false;
  for (let at = 0; at < end; at++) {
    const byte = markup[at]!;
    if (byte === LESS) isText = false;
    if (!isText) mutant[IMAGE_BYTES + at] = byte;
    else if (mutant[IMAGE_BYTES + at] === LESS) mutant[IMAGE_BYTES + at] = byte;
    if (byte === GREATER) isText = true;
  }
}

const LESS = 0x3c;
const GREATER = 0x3e;

export const bundleTarget: FuzzTarget = {
  name: 'bundle',
  seeds,
  async run(bytes, choices) {
    // Other names lead to raw bytes.
    const files = new Map([
      ['a.hds', bytes.subarray(0, IMAGE_BYTES)],
      ['b.hds', IMAGE!.bytes],
    ]);
    const { gate } = new ExtentFiles(files, 0);
    const storage = new UntouchableStorage(bytes.subarray(IMAGE_BYTES), 'DiskDescriptor.xml');
    await using disk = await openDiskFile(storage, { format: 'parallels', gate });
    await exerciseDisk(disk, choices);
  },
};
