/** Appliances put together by tar and qemu-img, in the variants of tar's formats. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { haveTools, SeededRandom } from '@diskfile/testkit';
import {
  BlockOptions,
  checkDiskFile,
  convertDiskFile,
  openDiskFile,
  openGraphSync,
} from '../../src/index.ts';
import { expectContent } from '../support/read-checks.ts';

const present = haveTools('tar', 'qemu-img');

const OVF = `<?xml version="1.0"?>
<Envelope xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1">
  <!-- <File ovf:href="commented.vmdk" ovf:id="file0"/> -->
  <References>
    <File ovf:href="first.vmdk" ovf:id="file1"/>
    <File ovf:id='file2' ovf:href='second &amp; last.vmdk.gz' ovf:compression='gzip'/>
    <File ovf:href="top.vmdk" ovf:id="file3"/>
  </References>
  <DiskSection>
    <Disk ovf:capacity="3" ovf:capacityAllocationUnits="byte * 2^20" ovf:diskId="vmdisk1"
      ovf:fileRef="file1" ovf:format="http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"/>
    <Disk ovf:capacity="1048576" ovf:diskId="vmdisk2" ovf:fileRef="file2"/>
    <Disk ovf:capacity="1048576" ovf:diskId="empty"/>
    <Disk ovf:capacity="3145728" ovf:diskId="vmdisk3" ovf:fileRef="file3" ovf:parentRef="vmdisk1"/>
  </DiskSection>
</Envelope>`;

describe.skipIf(!present)('OVA', () => {
  const directory = mkdtempSync(join(tmpdir(), 'diskfile-ova-'));
  const path = (name: string) => join(directory, name);
  const random = new SeededRandom(3);
  const first = Buffer.alloc(3 * 1024 * 1024);
  const second = Buffer.alloc(1024 * 1024, 'second');
  const FILES = ['box.ovf', 'box.mf', 'first.vmdk', 'second & last.vmdk.gz', 'top.vmdk'];

  const qemu = (...args: string[]) => execFileSync('qemu-img', args, { cwd: directory });
  const tar = (name: string, ...args: string[]) =>
    execFileSync('tar', ['-cf', path(name), ...args, ...FILES], { cwd: directory });

  beforeAll(() => {
    for (let at = 0; at < first.length; at++) {
      if (at % 200_000 < 100_000) first[at] = Math.imul(at, 0x9e37_79b1) >>> 24;
    }
    writeFileSync(path('first.raw'), first);
    writeFileSync(path('second.raw'), second);
    const stream = ['-O', 'vmdk', '-o', 'subformat=streamOptimized'];
    qemu('convert', '-f', 'raw', ...stream, 'first.raw', 'first.vmdk');
    qemu('convert', '-f', 'raw', ...stream, 'second.raw', 'second.vmdk');
    writeFileSync(path('second & last.vmdk.gz'), gzipSync(readFileSync(path('second.vmdk'))));
    qemu('create', '-q', '-f', 'vmdk', '-b', 'first.vmdk', '-F', 'vmdk', 'top.vmdk');
    writeFileSync(path('box.ovf'), OVF);
    const sum = createHash('sha256')
      .update(readFileSync(path('first.vmdk')))
      .digest('hex');
    const ovf = createHash('sha1').update(OVF).digest('hex');
    writeFileSync(path('box.mf'), `SHA1(box.ovf)= ${ovf}\nSHA256(first.vmdk)= ${sum}\n`);
  });

  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  it.each(['ustar', 'gnu', 'pax', 'v7'])('opens each disk of a %s archive', async (format) => {
    tar('box.ova', `--format=${format}`);
    await using disk = await openDiskFile(path('box.ova'));
    expect(disk.format).toBe('ova');
    expect(disk.info()[0]!.details).toMatchObject({
      disk: 'vmdisk1',
      contains: 'vmdk',
      disks: [
        { name: 'vmdisk1', file: 'first.vmdk', virtualSizeBytes: 3 * 2 ** 20 },
        { name: 'vmdisk2', file: 'second & last.vmdk.gz', virtualSizeBytes: 2 ** 20 },
        { name: 'vmdisk3', file: 'top.vmdk', virtualSizeBytes: 3 * 2 ** 20 },
      ],
    });
    await expectContent(disk, first, random);
    for (const name of ['vmdisk2', 'second & last.vmdk.gz', '1']) {
      await using other = await openDiskFile(path('box.ova'), { disk: name });
      await expectContent(other, second, random);
      const file = { driver: 'file', filename: path('box.ova') };
      for (const driver of [{ driver: 'ova' }, {}]) {
        await using node = openGraphSync(BlockOptions.of({ ...driver, disk: name, file }));
        await expectContent(node, second, random);
      }
    }
    const vmdk = { driver: 'vmdk', disk: '0', file: { filename: path('first.vmdk') } };
    expect(() => openGraphSync(BlockOptions.of(vmdk))).toThrow(
      /does not support the option 'disk'/,
    );
    expect((await checkDiskFile(path('box.ova'))).findings).toEqual([]);
  });

  it('finds an image below within the archive, and nothing beside it', async () => {
    tar('box.ova', '--format=ustar');
    rmSync(path('first.vmdk'));
    {
      await using disk = await openDiskFile(path('box.ova'), { disk: 'vmdisk3' });
      expect(disk.info()).toHaveLength(2);
      await expectContent(disk, first, random);
    }
    execFileSync('tar', ['-cf', path('less.ova'), 'box.ovf', 'top.vmdk'], { cwd: directory });
    await convertDiskFile(path('box.ova'), path('first.vmdk'), { format: 'vmdk' });
    await expect(openDiskFile(path('less.ova'), { disk: '2' })).rejects.toMatchObject({
      detail: 'ova.no-member',
    });
    await expect(openDiskFile(path('less.ova'), { disk: 'x' })).rejects.toMatchObject({
      detail: 'ova.no-disk',
    });
  });

  it('with a stream that ends in a footer is packed and read end to end', async () => {
    await convertDiskFile(path('first.raw'), path('first.vmdk'), {
      format: 'vmdk',
      options: { subformat: 'streamOptimized', footer: true },
      source: { format: 'raw' },
      overwrite: true,
    });
    tar('footer.ova', '--format=ustar');
    await using disk = await openDiskFile(path('footer.ova'));
    await expectContent(disk, first, random);
    await convertDiskFile(path('footer.ova'), path('copy.qcow2'), { format: 'qcow2' });
    qemu('compare', '-f', 'qcow2', '-F', 'raw', 'copy.qcow2', 'first.raw');
  });

  it('finds what the manifest does not agree with', async () => {
    tar('box.ova', '--format=ustar');
    const report = await checkDiskFile(path('box.ova'));
    expect(report.findings.map(({ detail }) => detail)).toEqual(['ova.digest']);
  });

  it('is the same packed', async () => {
    tar('box.ova', '--format=gnu');
    writeFileSync(path('box.ova.gz'), gzipSync(readFileSync(path('box.ova'))));
    await using disk = await openDiskFile(path('box.ova.gz'), { disk: 'vmdisk2' });
    await expectContent(disk, second, random);
  });
});
