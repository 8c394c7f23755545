/** Opens mutated images for writing, changes them in every way there is, and reads them again. */
import { MemoryStorage } from '@diskfile/core';
import { openDiskFile } from 'diskfile';
import { exerciseDisk } from '../exercise/disk.ts';
import { SmallHostStorage, UntouchableStorage } from '../exercise/guarded-storage.ts';
import { tolerate } from '../exercise/tolerate.ts';
import { exerciseWriting } from '../exercise/write-disk.ts';
import { writingGate } from '../exercise/writing-gate.ts';
import type { FuzzTarget } from '../fuzz-target.ts';
import { testImages } from '../seeds/image-folder.ts';
import { writableQcow2Seeds } from '../seeds/worked-qcow2.ts';

/** Space that the host has beyond the image. */
const ROOM_BYTES = 24 * 1024 * 1024;
const [base] = testImages('base.qcow2', 2 ** 20);

export const writeTarget: FuzzTarget = {
  name: 'write',
  seeds: writableQcow2Seeds,
  async run(bytes, choices) {
    const maxBytes = bytes.length + ROOM_BYTES;
    const storage = new SmallHostStorage(bytes.slice(), maxBytes);
    const gate = writingGate(base!.bytes, maxBytes);
    const open = (target: MemoryStorage, readOnly: boolean) =>
      openDiskFile(target, { format: 'qcow2', gate, readOnly });
    const disk = await open(storage, false);
    await exerciseWriting(disk, Math.floor(choices[0]! * 2 ** 32));
    await tolerate(() => disk.close());
    await tolerate(async () => {
      const again = await open(new UntouchableStorage(storage.bytes, 'image'), true);
      await exerciseDisk(again, choices.slice(0, 4));
      await again.close();
    });
  },
};
