/** What QEMU makes besides plain qcow2 images, against QEMU: see also the feature matrix. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { canFindHoles } from '@diskfile/storage';
import { asQemuMap, haveTools, QemuDirectory, writeMixedPayload } from '@diskfile/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DiskError, openDiskFile } from '../../src/index.ts';
import { convertedBytes, expectEqualToQemu, wholeDisk } from '../support/qemu-parity.ts';

const haveQemu = haveTools('qemu-img', 'qemu-io');
const MiB = 2 ** 20;

describe.skipIf(!haveQemu)('beside the matrix', () => {
  let directory: QemuDirectory;

  beforeEach(() => {
    directory = new QemuDirectory(mkdtempSync(join(tmpdir(), 'diskfile-qcow2-')));
  });
  afterEach(() => rmSync(directory.path, { recursive: true, force: true }));

  const create = (name: string, options: string, size: string) =>
    directory.img('create', '-q', '-f', 'qcow2', '-o', options, name, size);

  it.each(['metadata', 'falloc', 'full'])('preallocation %s', async (mode) => {
    for (const extended of ['off', 'on']) {
      const name = `${mode}-${extended}.qcow2`;
      create(name, `preallocation=${mode},extended_l2=${extended}`, '8M');
      directory.io(name, ['write -P 5 1M 100k', 'write -z 3M 70k', 'discard 5M 1M']);
      await expectEqualToQemu(directory, name);
    }
  });

  it('snapshots: the list, and each as a disk', async () => {
    create('s.qcow2', 'cluster_size=4k', '2M');
    const states = ['first', 'second state', '1'];
    for (const [index, name] of states.entries()) {
      directory.io('s.qcow2', [`write -P ${index + 1} ${index * 300}k 500k`]);
      directory.img('snapshot', '-c', name, 's.qcow2');
    }
    directory.io('s.qcow2', ['write -P 99 0 1M']);
    const info = JSON.parse(directory.img('info', '--output=json', 's.qcow2')) as {
      snapshots: Record<string, unknown>[];
    };
    await using disk = await openDiskFile(directory.file('s.qcow2'));
    expect(
      disk.capabilities.snapshots!.list().map((snapshot) => ({
        id: snapshot.id,
        name: snapshot.name,
        'vm-state-size': snapshot.vmStateBytes,
        'date-sec': snapshot.date.seconds,
        'date-nsec': snapshot.date.nanoseconds,
        'vm-clock-sec': 0,
        'vm-clock-nsec': snapshot.vmClockNanoseconds,
        icount: snapshot.icount,
      })),
    ).toEqual(info.snapshots);
    // "1" is the id of the first and the name of the last: the id counts.
    for (const snapshot of ['1', '2', '3', 'first', 'second state']) {
      await using old = await openDiskFile(directory.file('s.qcow2'), { snapshot });
      const expected = convertedBytes(directory, '-l', snapshot, 's.qcow2');
      expect(Buffer.compare(wholeDisk(old), expected)).toBe(0);
    }
    await expectEqualToQemu(directory, 's.qcow2');
  });

  it('snapshots of a disk that was resized have the size of their time', async () => {
    create('s.qcow2', 'cluster_size=512', '1M');
    directory.io('s.qcow2', ['write -P 7 900k 100k']);
    directory.img('snapshot', '-c', 'small', 's.qcow2');
    directory.img('resize', '-q', 's.qcow2', '3M');
    directory.io('s.qcow2', ['write -P 8 0 3M']);
    await using old = await openDiskFile(directory.file('s.qcow2'), { snapshot: 'small' });
    expect(old.sizeBytes).toBe(MiB);
    // qemu-img keeps the size of the active disk; what it adds are zeros.
    const expected = convertedBytes(directory, '-l', 'small', 's.qcow2');
    expect(Buffer.compare(wholeDisk(old), expected.subarray(0, MiB))).toBe(0);
    expect(expected.subarray(MiB).every((byte) => byte === 0)).toBe(true);
  });

  it('bitmaps', async () => {
    create('b.qcow2', 'cluster_size=64k', '4M');
    directory.img('bitmap', '--add', 'b.qcow2', 'daily');
    directory.img('bitmap', '--add', '-g', '32k', 'b.qcow2', 'weekly');
    directory.img('bitmap', '--disable', 'b.qcow2', 'weekly');
    const info = JSON.parse(directory.img('info', '--output=json', 'b.qcow2')) as {
      'format-specific': { data: { bitmaps: unknown } };
    };
    await using disk = await openDiskFile(directory.file('b.qcow2'));
    const bitmaps = disk.capabilities.bitmaps?.list();
    expect(
      bitmaps!.map(({ name, flags, granularityBytes }) => ({
        name,
        flags,
        granularity: granularityBytes,
      })),
    ).toEqual(info['format-specific'].data.bitmaps);
    expect(disk.warnings).toEqual([]);
  });

  it('qcow version 1: plain, compressed, and with a backing file', async () => {
    // Nothing random, which qemu-img gives up on, as qcow cannot store what does not get smaller.
    directory.img('create', '-q', '-f', 'raw', 'payload.raw', '3M');
    directory.io(
      'payload.raw',
      [3, 500, 1300, 2222].map((at, index) => `write -P ${index + 1} ${at}k 301k`),
      '-f',
      'raw',
    );
    directory.img('convert', '-O', 'qcow', 'payload.raw', 'plain.qcow');
    // It writes all of a compressed image and then fails without a word.
    directory.succeeds('convert', '-c', '-O', 'qcow', 'payload.raw', 'compressed.qcow');
    directory.img('compare', '-f', 'raw', '-F', 'qcow', 'payload.raw', 'compressed.qcow');
    directory.img(
      'create',
      '-q',
      '-f',
      'qcow',
      '-b',
      'compressed.qcow',
      '-F',
      'qcow',
      'top.qcow',
      '5M',
    );
    directory.io('top.qcow', ['write -P 3 1M 100k', 'write -P 4 4000k 3k'], '-f', 'qcow');
    for (const name of ['plain.qcow', 'compressed.qcow', 'top.qcow']) {
      await expectEqualToQemu(directory, name);
    }
  });

  it('backing files named by json: and file:, and a raw one by a window', async () => {
    writeMixedPayload(directory.file('payload.raw'), 2 * MiB, 6);
    const window =
      'json:{"driver":"raw","offset":65536,"size":1048576,"file":{"driver":"file","filename":"payload.raw"}}';
    const below = [
      window,
      'file:payload.raw',
      'json:{"file.filename":"payload.raw","driver":"raw"}',
    ];
    for (const [index, name] of below.entries()) {
      const top = `top${index}.qcow2`;
      directory.img('create', '-q', '-f', 'qcow2', '-b', name, '-F', 'raw', top, '2M');
      directory.io(top, ['write -P 1 100k 50k']);
      await expectEqualToQemu(directory, top);
    }
  });

  it('host offsets and guest offsets beyond 4 GiB, and disks of many terabytes', async () => {
    create('far.qcow2', 'preallocation=metadata', '9G');
    directory.io('far.qcow2', ['write -P 9 8G 100k', 'write -P 10 4500M 4k']);
    create('huge.qcow2', 'cluster_size=2M', '64T');
    directory.io('huge.qcow2', ['write -P 11 50T 100k', 'write -P 12 64500G 3M']);
    create('empty.qcow2', 'cluster_size=64k', '16T');
    const probes = { 'far.qcow2': 2 ** 33 - 512, 'huge.qcow2': 50 * 2 ** 40 - 512 };
    for (const [name, probe] of Object.entries(probes)) {
      await using disk = await openDiskFile(directory.file(name));
      if (canFindHoles()) expect(asQemuMap(disk.blockStatusSync())).toEqual(directory.map(name));
      const bytes = new Uint8Array(1024);
      disk.readSync(bytes, probe);
      expect(bytes.subarray(0, 512).every((byte) => byte === 0)).toBe(true);
      expect(bytes.subarray(512).every((byte) => byte === (name === 'far.qcow2' ? 9 : 11))).toBe(
        true,
      );
    }
    await using empty = await openDiskFile(directory.file('empty.qcow2'));
    expect(asQemuMap(empty.blockStatusSync())).toEqual(directory.map('empty.qcow2'));
  });

  it('a disk of no size', async () => {
    create('none.qcow2', 'cluster_size=64k', '0');
    await using disk = await openDiskFile(directory.file('none.qcow2'));
    expect(disk.sizeBytes).toBe(0);
    expect([...disk.blockStatusSync()]).toEqual([]);
  });

  it.each(['aes', 'luks'])(
    '%s encrypted images open, tell it, and are not read',
    async (format) => {
      const secret = ['--object', 'secret,id=s0,data=abc'];
      const options = `encrypt.format=${format},encrypt.key-secret=s0`;
      const iterations = format === 'luks' ? ',encrypt.iter-time=10' : '';
      const args = ['create', '-q', ...secret, '-f', 'qcow2', '-o', `${options}${iterations}`];
      // qemu-img now and then fails to measure the time that LUKS takes.
      const made = [1, 2, 3, 4, 5].some(() => directory.succeeds(...args, 'e.qcow2', '1M'));
      expect(made).toBe(true);
      const image = `driver=qcow2,file.filename=e.qcow2,encrypt.key-secret=s0`;
      directory.io(image, ['write -P 5 0 4k'], ...secret, '--image-opts');
      await using disk = await openDiskFile(directory.file('e.qcow2'));
      expect(disk.info()[0]!.details['encryption']).toMatchObject({ method: format });
      expect(() => disk.readSync(new Uint8Array(512), 0)).toThrowError(DiskError);
      const zeros = new Uint8Array(512).fill(1);
      disk.readSync(zeros, 512 * 1024);
      expect(zeros).toEqual(new Uint8Array(512));
    },
  );
});
