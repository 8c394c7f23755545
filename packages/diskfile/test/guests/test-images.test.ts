/** The committed images against what the genuine tools said of them when they were made. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DiskError } from '@diskfile/bytes';
import { describe, expect, it } from 'vitest';
import {
  type BlockStatus,
  type DiskFile,
  openDiskFile,
  openDiskFileSync,
  openGuest,
  readPartitions,
} from '../../src/index.ts';

const folder = join(import.meta.dirname, '../../../../test-images');

interface MapRange {
  readonly start: number;
  readonly length: number;
  readonly depth: number;
  readonly present: boolean;
  readonly zero: boolean;
  readonly data: boolean;
  readonly offset?: number;
}

interface TablePartition {
  readonly number: number;
  readonly start: number;
  readonly size: number;
  readonly type: string;
  readonly uuid?: string;
  readonly name?: string;
  readonly bootable?: boolean;
  readonly sha256?: string;
}

interface ExpectedImage {
  readonly format: string;
  readonly virtualSize: number;
  readonly sha256: string;
  readonly map: readonly MapRange[];
  readonly snapshotSha256?: Readonly<Record<string, string>>;
  readonly passphrase?: string;
  readonly partitionTable?: {
    readonly label: string;
    readonly id: string;
    readonly sectorsize: number;
    readonly partitions: readonly TablePartition[];
  };
}

const expected = JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8')) as Record<
  string,
  ExpectedImage
>;
const all = Object.entries(expected);
const readable = all.filter(([, { passphrase }]) => passphrase === undefined);

function sha256(disk: DiskFile): string {
  const bytes = new Uint8Array(disk.sizeBytes);
  disk.readSync(bytes, 0);
  return createHash('sha256').update(bytes).digest('hex');
}

/** A range as `qemu-img map` prints it. */
function mapRange(status: BlockStatus): MapRange {
  return {
    start: status.guestOffset,
    length: status.lengthBytes,
    depth: status.depth,
    present: status.allocated,
    zero: status.zero,
    data: status.data,
    ...(status.hostOffset === undefined ? {} : { offset: status.hostOffset }),
  };
}

describe('test images', () => {
  it.each(readable)('%s reads as qemu-img converts it', async (name, image) => {
    const path = join(folder, name);
    await using disk = await openDiskFile(path);
    expect([disk.format, disk.sizeBytes]).toEqual([image.format, image.virtualSize]);
    expect(sha256(disk)).toBe(image.sha256);
    const bytes = new Uint8Array(disk.sizeBytes);
    await disk.read(bytes, 0);
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(image.sha256);
  });

  it.each(readable)('%s has the block status that qemu-img maps', (name, image) => {
    using disk = openDiskFileSync(join(folder, name));
    expect([...disk.blockStatusSync()].map(mapRange)).toEqual(image.map);
  });

  it.each(all.filter(([, { snapshotSha256 }]) => snapshotSha256 !== undefined))(
    '%s opens at each snapshot, by id and by name',
    async (name, image) => {
      const path = join(folder, name);
      await using disk = await openDiskFile(path);
      const snapshots = disk.capabilities.snapshots?.list();
      expect(snapshots?.map(({ id }) => id)).toEqual(Object.keys(image.snapshotSha256!));
      for (const { id, name: snapshotName, diskSizeBytes } of snapshots!) {
        await using byId = await openDiskFile(path, { snapshot: id });
        await using byName = await openDiskFile(path, { snapshot: snapshotName });
        expect(byId.sizeBytes).toBe(diskSizeBytes);
        expect(sha256(byName)).toBe(sha256(byId));
        if (diskSizeBytes === image.virtualSize) {
          expect(sha256(byId)).toBe(image.snapshotSha256![id]);
        }
      }
      await expect(openDiskFile(path, { snapshot: 'none such' })).rejects.toMatchObject({
        code: 'not-found',
      });
    },
  );

  it('an older, smaller snapshot has the size and bytes of its time', () => {
    using disk = openDiskFileSync(join(folder, 'snapshot.qcow2'), { snapshot: '1' });
    expect(sha256(disk)).toBe(expected['backing/base.qcow2']!.sha256);
  });

  it.each(all.filter(([, { passphrase }]) => passphrase !== undefined))(
    '%s opens, says that it needs a key when it is read, and is read with it',
    async (name, image) => {
      await using disk = await openDiskFile(join(folder, name));
      expect(disk.sizeBytes).toBe(image.virtualSize);
      expect(disk.info()[0]!.details['encryption']).toBeDefined();
      await expect(disk.read(new Uint8Array(disk.sizeBytes), 0)).rejects.toMatchObject({
        code: 'wrong-key',
        hint: expect.stringContaining('passphrase') as string,
      });
      const { passphrase } = image;
      await using open = await openDiskFile(join(folder, name), { passphrase: passphrase! });
      expect(sha256(open)).toBe(image.sha256);
    },
  );

  it.each(all.filter(([, { partitionTable }]) => partitionTable !== undefined))(
    '%s has the partitions that sfdisk lists',
    async (name, image) => {
      const { partitions, sectorsize, label } = image.partitionTable!;
      await using disk = await openDiskFile(join(folder, name));
      const table = (await readPartitions(disk))!;
      expect([table.scheme, table.sectorBytes]).toEqual([
        label === 'dos' ? 'mbr' : label,
        sectorsize,
      ]);
      const listed = table.partitions.toSorted((a, b) => a.number - b.number);
      expect(
        listed.map(({ number, startBytes, lengthBytes }) => [number, startBytes, lengthBytes]),
      ).toEqual(
        partitions
          .toSorted((a, b) => a.number - b.number)
          .map(({ number, start, size }) => [number, start * sectorsize, size * sectorsize]),
      );
      for (const { number, sha256: hash, uuid, name: label_ } of partitions) {
        const partition = listed.find((candidate) => candidate.number === number)!;
        if (uuid !== undefined) expect(partition.uuid.toUpperCase()).toBe(uuid);
        if (label_ !== undefined) expect(partition.name).toBe(label_);
        if (hash === undefined) continue;
        await using part = partition.open();
        expect(sha256(part)).toBe(hash);
      }
      await using guest = await openGuest(disk);
      expect(await guest.fileSystem.exists('/etc/os-release')).toBe(true);
    },
  );

  it('a format that is stated is taken at its word', async () => {
    await expect(
      openDiskFile(join(folder, 'qcow-v1.qcow'), { format: 'qcow2' }),
    ).rejects.toBeInstanceOf(DiskError);
    await using disk = await openDiskFile(join(folder, 'zstd.qcow2'), { format: 'raw' });
    expect(disk.format).toBe('raw');
  });
});
