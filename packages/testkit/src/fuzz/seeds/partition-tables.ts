/** Disks with partition tables, built in memory. */
import {
  buildBootRecord,
  buildGptDisk,
  repairGptChecksums,
  writeLogicalChain,
} from '../../builders/partition-tables.ts';
import { type Field, headerFields, type Region, type SeedImage } from '../seed-image.ts';

const SECTORS = 512;
const LINUX = '0FC63DAF-8483-4772-8E79-3D69D8477DE4';

/** Four primaries; two chains of logical partitions, one of them not in the order of the disk. */
export function mbrSeeds(): SeedImage[] {
  const primaries = [entry(0x83, 1, 9), entry(0x07, 10, 30), entry(0xef, 50, 10)];
  const plain = new Uint8Array(SECTORS * 512);
  plain.set(buildBootRecord(primaries, 0x1234));
  const nested = new Uint8Array(SECTORS * 512);
  nested.set(buildBootRecord([entry(0x83, 1, 9), entry(0x05, 10, 300), entry(0x0f, 320, 100)], 7));
  const recordLbas = [10, 40, 150, 90, 120];
  writeLogicalChain(nested, 10, recordLbas.map(logicalAt));
  writeLogicalChain(nested, 320, [320, 350].map(logicalAt));
  return [
    mbrSeed('mbr-primaries', plain, [0]),
    mbrSeed('mbr-logicals', nested, [0, ...recordLbas, 320, 350]),
  ];
}

function entry(type: number, startLba: number, sizeLba: number) {
  return { type, startLba, sizeLba };
}

function logicalAt(recordLba: number) {
  return { ...entry(0x83, recordLba + 1, 20), recordLba };
}

function mbrSeed(name: string, bytes: Uint8Array, recordLbas: readonly number[]): SeedImage {
  const fields = recordLbas.flatMap((lba) => bootRecordFields(lba * 512, `record ${lba}`));
  return { name, bytes, unitBytes: 512, fields, regions: [] };
}

function bootRecordFields(base: number, name: string): Field[] {
  const entries = [0, 1, 2, 3].flatMap((index) =>
    headerFields(base + 446 + 16 * index, false, [
      [`${name} status ${index}`, 0, 1],
      [`${name} type ${index}`, 4, 1],
      [`${name} start ${index}`, 8, 4],
      [`${name} size ${index}`, 12, 4],
    ]),
  );
  return [...entries, ...headerFields(base, false, [[`${name} signature`, 510, 2]])];
}

export function gptSeeds(): SeedImage[] {
  return [gptSeed(512, 128, 16), gptSeed(4096, 128, 32), gptSeed(512, 256, 8)];
}

function gptSeed(sectorBytes: number, entryBytes: number, entryCount: number): SeedImage {
  const sizeBytes = 64 * sectorBytes;
  const partitions = [1, 2, 4].map((number) => ({
    number,
    type: LINUX,
    uuid: `00000000-0000-0000-0000-00000000000${number}`,
    firstLba: 10 + 10 * number,
    lastLba: 15 + 10 * number,
    name: `partition ${number}`,
  }));
  const bytes = buildGptDisk({ sizeBytes, sectorBytes, entryBytes, entryCount, partitions });
  const lastHeader = sizeBytes - sectorBytes;
  const entries: Region = {
    name: 'entries',
    offset: 2 * sectorBytes,
    lengthBytes: entryBytes * entryCount,
    widthBytes: 8,
    bigEndian: false,
  };
  return {
    name: `gpt-${sectorBytes}-${entryBytes}`,
    bytes,
    unitBytes: sectorBytes,
    fields: [
      ...bootRecordFields(0, 'MBR'),
      ...gptHeaderFields(sectorBytes, 'primary'),
      ...gptHeaderFields(lastHeader, 'backup'),
    ],
    regions: [entries],
    repair: (disk) => {
      repairGptChecksums(disk, sectorBytes, sectorBytes);
      repairGptChecksums(disk, Math.max(0, disk.length - sectorBytes), sectorBytes);
    },
  };
}

/** UEFI specification 2.10, §5.3.2. */
function gptHeaderFields(base: number, name: string): Field[] {
  return headerFields(base, false, [
    [`${name} Signature`, 0, 8],
    [`${name} Revision`, 8, 4],
    [`${name} HeaderSize`, 12, 4],
    [`${name} MyLBA`, 24, 8],
    [`${name} AlternateLBA`, 32, 8],
    [`${name} FirstUsableLBA`, 40, 8],
    [`${name} LastUsableLBA`, 48, 8],
    [`${name} PartitionEntryLBA`, 72, 8],
    [`${name} NumberOfPartitionEntries`, 80, 4],
    [`${name} SizeOfPartitionEntry`, 84, 4],
  ]);
}
