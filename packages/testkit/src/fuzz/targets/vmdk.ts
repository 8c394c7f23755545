/** VMDK disks with the files that they name: read, checked, and written where they can be. */
import { checkDiskFile, openDiskFile } from 'diskfile';
import { exerciseDisk } from '../exercise/disk.ts';
import { ExtentFiles } from '../exercise/extent-files.ts';
import { SmallHostStorage, UntouchableStorage } from '../exercise/guarded-storage.ts';
import { tolerate } from '../exercise/tolerate.ts';
import { exerciseWriting } from '../exercise/write-disk.ts';
import { ContractViolation, type FuzzTarget } from '../fuzz-target.ts';
import { vmdkFiles, vmdkSeeds } from '../seeds/vmdk.ts';

const format = 'vmdk';
/** Space that the host has beyond what there is. */
const ROOM_BYTES = 16 * 1024 * 1024;
const WRITTEN_SHARE = 0.6;

export const vmdkTarget: FuzzTarget = {
  name: 'vmdk',
  seeds: vmdkSeeds,
  async run(bytes, choices) {
    const files = new ExtentFiles(vmdkFiles(), ROOM_BYTES);
    await tolerate(() => check(bytes, files));
    if (choices.at(-1)! < WRITTEN_SHARE) {
      const storage = new SmallHostStorage(bytes.slice(), bytes.length + ROOM_BYTES);
      await tolerate(() => write(storage, Math.floor(choices[0]! * 2 ** 32), files));
      await tolerate(() => read(storage.bytes, choices.slice(0, 4), files));
    }
    await read(bytes, choices, new ExtentFiles(vmdkFiles(), ROOM_BYTES));
  },
};

async function check(bytes: Uint8Array, { gate }: ExtentFiles) {
  return await checkDiskFile(new UntouchableStorage(bytes, 'image'), { format, gate });
}

async function read(
  bytes: Uint8Array,
  choices: readonly number[],
  { gate }: ExtentFiles,
): Promise<void> {
  const disk = await openDiskFile(new UntouchableStorage(bytes, 'image'), { format, gate });
  try {
    await exerciseDisk(disk, choices);
  } finally {
    await disk.close();
  }
}

/** A disk that can be written is in order before and afterwards, as far as its check can tell. */
async function write(storage: SmallHostStorage, seed: number, files: ExtentFiles): Promise<void> {
  const disk = await openDiskFile(storage, { format, gate: files.gate, readOnly: false });
  await exerciseWriting(disk, seed);
  const isClosed = await tolerate(async () => {
    await disk.close();
    return true;
  });
  if (isClosed !== true) return;
  const { corruptions, findings } = await check(storage.bytes, files);
  if (corruptions === 0) return;
  throw new ContractViolation(`writing has left ${findings[0]?.message ?? 'errors'}`);
}
