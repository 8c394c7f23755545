/** The whole stack from a file on: formats are probed, tables and filesystems looked for. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DiskFile, MemoryStorage } from '@diskfile/core';
import { closeDevices, digest, openDevices, openDiskFile, openGuest, FileSystem } from 'diskfile';
import { exerciseDisk } from '../exercise/disk.ts';
import { exerciseFileSystem } from '../exercise/file-system.ts';
import { memoryGate } from '../exercise/memory-gate.ts';
import { tolerate } from '../exercise/tolerate.ts';
import type { FuzzTarget } from '../fuzz-target.ts';
import type { SeedImage } from '../seed-image.ts';
import { ext4Seeds } from '../seeds/ext4.ts';
import { testImages } from '../seeds/image-folder.ts';
import { gptSeeds, mbrSeeds } from '../seeds/partition-tables.ts';
import { parallelsSeeds } from '../seeds/parallels.ts';
import { qedSeeds } from '../seeds/qed.ts';
import { qcowSeeds } from '../seeds/qcow.ts';
import { describeQcow2, qcow2Seeds } from '../seeds/qcow2.ts';

const FROM_FILE_SHARE = 0.25;
const MAX_DIGEST_BYTES = 8 * 1024 * 1024;

const [base] = testImages('base.qcow2', 2 ** 20);

export const openTarget: FuzzTarget = {
  name: 'open',
  seeds: openSeeds,
  async run(bytes, choices) {
    await using image = await openImage(bytes, choices.at(-1)!);
    await exerciseDisk(image.disk, choices.slice(0, 4));
    await exerciseDevices(image.disk, choices);
    await tolerate(async () => {
      await using guest = await openGuest(image.disk);
      await exerciseFileSystem(guest.fileSystem, choices);
    });
    if (image.disk.sizeBytes <= MAX_DIGEST_BYTES) {
      await tolerate(() => digest(image.disk, { workers: 0 }));
    }
  },
};

function openSeeds(): SeedImage[] {
  const guests = testImages('debian-guest.qcow2', 2 ** 22).map(describeQcow2);
  return [
    ...guests,
    ...qcow2Seeds(),
    ...qcowSeeds(),
    ...qedSeeds(),
    ...parallelsSeeds(),
    ...ext4Seeds(),
    ...gptSeeds(),
    ...mbrSeeds(),
  ];
}

interface OpenedImage extends AsyncDisposable {
  readonly disk: DiskFile;
}

/** Some inputs go through a file in a folder of its own, with the default gate. */
async function openImage(bytes: Uint8Array, choice: number): Promise<OpenedImage> {
  if (choice >= FROM_FILE_SHARE) {
    const gate = memoryGate(base!.bytes);
    const disk = await openDiskFile(new MemoryStorage(bytes), { gate });
    return { disk, [Symbol.asyncDispose]: () => disk.close() };
  }
  const directory = mkdtempSync(join(tmpdir(), 'diskfile-fuzz-'));
  const remove = () => rmSync(directory, { recursive: true });
  try {
    writeFileSync(join(directory, 'image'), bytes);
    writeFileSync(join(directory, 'base.qcow2'), base!.bytes);
    const disk = await openDiskFile(join(directory, 'image'));
    return {
      disk,
      [Symbol.asyncDispose]: async () => {
        await disk.close();
        remove();
      },
    };
  } catch (error) {
    remove();
    throw error;
  }
}

async function exerciseDevices(disk: DiskFile, choices: readonly number[]): Promise<void> {
  const devices = await tolerate(() => openDevices(disk));
  if (devices === undefined) return;
  for (const { volume, disk: device } of devices) {
    if (volume === undefined) continue;
    const fs = new FileSystem(volume, { synchronous: device.synchronous });
    await exerciseFileSystem(fs, choices);
  }
  await closeDevices(devices);
}
