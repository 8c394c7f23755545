/** Opens each disk of an appliance, and verifies its manifest. */
import { createHash } from 'node:crypto';
import { closedGate } from '@diskfile/core';
import { checkDiskFile, openDiskFile } from 'diskfile';
import { buildTar, repairTarChecksums } from '../../builders/tar.ts';
import { exerciseDisk } from '../exercise/disk.ts';
import { UntouchableStorage } from '../exercise/guarded-storage.ts';
import { tolerate } from '../exercise/tolerate.ts';
import type { FuzzTarget } from '../fuzz-target.ts';
import { headerFields, type SeedImage } from '../seed-image.ts';
import { testImages } from '../seeds/image-folder.ts';

const HEADER = [
  ['name', 0, 8],
  ['size', 124, 8],
  ['size, lower', 132, 4],
  ['typeflag', 156, 1],
  ['prefix', 345, 1],
] as const;
const OVF = `<Envelope><References><File ovf:href="a.qcow2" ovf:id="1"/>
<File ovf:href="b.raw" ovf:id="2" ovf:compression="gzip"/></References>
<DiskSection><Disk ovf:diskId="x" ovf:fileRef="1" ovf:capacity="1"/>
<Disk ovf:diskId="y" ovf:fileRef="2"/></DiskSection></Envelope>`;

function ovaSeeds(): SeedImage[] {
  const [image] = testImages('base.qcow2', 2 ** 20);
  const raw = Uint8Array.from({ length: 3000 }, (_, at) => at % 251);
  const sum = createHash('sha256').update(raw).digest('hex');
  const long = Buffer.from('30 path=a-name-from-pax.raw\n12 size=99\n');
  const members = [
    { name: 'box.ovf', data: Buffer.from(OVF) },
    { name: 'box.mf', data: Buffer.from(`SHA256(b.raw)= ${sum}\n`) },
    { name: 'b.raw', data: raw },
    { name: 'a.qcow2', data: image!.bytes },
    { name: '././@LongLink', data: Buffer.from('c.raw\0'), type: 'L' },
    { name: 'c', data: raw },
    { name: 'pax', data: long, type: 'x' },
    { name: 'd', data: raw },
  ];
  const bytes = new Uint8Array(buildTar(members));
  let at = 0;
  const headers: number[] = [];
  const fields = members.flatMap(({ name, data }) => {
    headers.push(at);
    // Another length would leave no member to be found behind, so only the last one gets any.
    const known = name === 'd' ? HEADER : HEADER.filter(([field]) => !field.startsWith('size'));
    const found = headerFields(at, true, known);
    at += 512 + Math.ceil(data.length / 512) * 512;
    return found;
  });
  // What a disk is found out from lies in its first sector; damage behind that is met on reading.
  const offset = Buffer.from(bytes).indexOf('QFI\xfb', 0, 'latin1') + 512;
  const lengthBytes = image!.bytes.length - 512;
  const tables = { name: 'tables', offset, lengthBytes, widthBytes: 8, bigEndian: true } as const;
  const regions = [tables];
  const repair = (mutant: Uint8Array): void => {
    // A header that is known for one has its checksum mended.
    for (const header of headers) {
      if (header + 512 <= mutant.length)
        mutant.set(bytes.subarray(header + 257, header + 263), header + 257);
    }
    repairTarChecksums(mutant);
  };
  return [{ name: 'ova', bytes, unitBytes: 512, fields, regions, repair }];
}

export const ovaTarget: FuzzTarget = {
  name: 'ova',
  seeds: ovaSeeds,
  async run(bytes, choices) {
    const options = { format: 'ova', gate: closedGate };
    const open = () => new UntouchableStorage(bytes, 'box.ova');
    await using disk = await openDiskFile(open(), options);
    await exerciseDisk(disk, choices);
    await tolerate(async () => {
      await using other = await openDiskFile(open(), { ...options, disk: '1' });
      await exerciseDisk(other, choices.slice(0, 4));
    });
    await tolerate(() => checkDiskFile(open(), options));
  },
};
