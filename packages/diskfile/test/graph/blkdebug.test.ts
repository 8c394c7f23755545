import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { STORAGE_EVENTS } from '@diskfile/core';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import {
  breakpointsOf,
  checkDiskFileSync,
  createDiskFileSync,
  DiskError,
  type DiskFile,
  openDiskFileSync,
  openGraph,
  openGraphSync,
  parseDiskName,
} from '../../src/index.ts';

const work = mkdtempSync(join(tmpdir(), 'diskfile-blkdebug-'));
afterAll(() => rmSync(work, { recursive: true }));
const image = join(work, 'image.qcow2');
const flat = join(work, 'flat.raw');
const KIB = 1024;

beforeEach(() => {
  rmSync(image, { force: true });
  createDiskFileSync(image, { format: 'qcow2', sizeBytes: 64 * KIB * KIB });
  writeFileSync(flat, Buffer.alloc(64 * KIB, 7));
});

function graph(options: object, format = 'qcow2'): ReturnType<typeof parseDiskName> {
  const file = { driver: 'file', filename: format === 'raw' ? flat : image };
  const node = { driver: format, file: { driver: 'blkdebug', image: file, ...options } };
  return parseDiskName(`json:${JSON.stringify(node)}`);
}

async function failureOf(body: () => Promise<unknown>): Promise<string> {
  try {
    await body();
  } catch (error) {
    if (error instanceof DiskError) return error.errno;
    throw error;
  }
  return 'none';
}

/** Writes, makes it durable, and tells which of it failed. */
async function writes(disk: DiskFile, offset: number): Promise<string> {
  return await failureOf(async () => {
    await disk.write(new Uint8Array(512).fill(1), offset);
    await disk.flush();
  });
}

const rule = (values: object) => ({ 'inject-error': [values] });

describe('injected failures', () => {
  it('come once, or again and again', async () => {
    const once = rule({ event: 'write_aio', errno: 28, once: true });
    await using one = await openGraph(graph(once), { readOnly: false });
    expect([await writes(one, 0), await writes(one, 0)]).toEqual(['ENOSPC', 'none']);
  });

  it('last until the disk is closed, and closing says so', async () => {
    const lasting = rule({ event: 'write_aio' });
    const disk = await openGraph(graph(lasting), { readOnly: false });
    expect([await writes(disk, 0), await writes(disk, 0)]).toEqual(['EIO', 'EIO']);
    expect(await failureOf(() => disk.close())).toBe('EIO');
  });

  it('flush nothing where nothing was written', async () => {
    await using filled = await openGraph(graph({}), { readOnly: false });
    expect(await writes(filled, 0)).toBe('none');
    await filled.close();
    const lasting = rule({ event: 'l2_load' });
    const disk = await openGraph(graph(lasting), { readOnly: false });
    expect(await writes(disk, 0)).toBe('EIO');
    expect(await failureOf(() => disk.close())).toBe('none');
  });

  it.each(['l1_update', 'empty_image_prepare', 'reftable_update', 'refblock_alloc'])(
    'leave an image that was being emptied to be counted anew: %s',
    async (event) => {
      await using filled = await openGraph(graph({}), { readOnly: false });
      await filled.write(new Uint8Array(512).fill(1), 0);
      await filled.close();
      const disk = await openGraph(graph(rule({ event, errno: 28 })), { readOnly: false });
      const emptied = await failureOf(() => disk.capabilities.backing!.dropContent());
      expect(emptied).toBe('ENOSPC');
      expect(await writes(disk, 0)).not.toBe('none');
      await failureOf(() => disk.close());
      await using again = await openGraph(graph({}), { readOnly: false });
      expect(await writes(again, 1024)).toBe('none');
      await again.close();
      expect(checkDiskFileSync(image)).toMatchObject({ corruptions: 0, leaks: 0 });
    },
  );

  it('of counting what is left of an emptied image are made good on closing', async () => {
    const once = rule({ event: 'refblock_update_part', once: true });
    const disk = await openGraph(graph(once), { readOnly: false });
    expect(await failureOf(() => disk.capabilities.backing!.dropContent())).toBe('EIO');
    expect(await failureOf(() => disk.close())).toBe('none');
    expect(checkDiskFileSync(image)).toMatchObject({ corruptions: 0, leaks: 0 });
  });

  it('leak a cluster that cannot be counted as free', async () => {
    await using filled = await openGraph(graph({}), { readOnly: false });
    await filled.write(new Uint8Array(128 * KIB).fill(1), 0);
    await filled.close();
    const disk = await openGraph(graph(rule({ event: 'cluster_free', once: true })), {
      readOnly: false,
    });
    const leaks: string[] = [];
    breakpointsOf(disk)!.listener = {
      stopped: () => {},
      goesOn: () => {},
      leaked: ({ errno }) => void leaks.push(errno),
    };
    await disk.discard(0, 128 * KIB);
    await disk.close();
    expect(leaks).toEqual(['EIO']);
    expect(checkDiskFileSync(image)).toMatchObject({ corruptions: 0, leaks: 1 });
  });

  it('can stay away, and the image is as new', async () => {
    const made = readFileSync(image);
    const disk = await openGraph(graph({}), { readOnly: false });
    await disk.write(new Uint8Array(KIB * KIB).fill(1), 0);
    await disk.capabilities.backing!.dropContent();
    expect(await writes(disk, 0)).toBe('none');
    await disk.capabilities.backing!.dropContent();
    await disk.close();
    const left = readFileSync(image);
    expect(left.subarray(0, made.length).equals(made)).toBe(true);
    expect(left.length).toBe(4 * 64 * KIB);
  });

  it('are picked by kind of request and by place', async () => {
    const other = rule({ event: 'write_aio', iotype: 'read' });
    await using writable = await openGraph(graph(other), { readOnly: false });
    expect(await writes(writable, 0)).toBe('none');
    const place = rule({ event: 'read_aio', sector: 3 });
    await using raw = await openGraph(graph(place, 'raw'));
    const read = (offset: number) => failureOf(() => raw.read(new Uint8Array(512), offset));
    expect([await read(1024), await read(1536), await read(2048)]).toEqual(['none', 'EIO', 'none']);
  });

  it('wait for their state', async () => {
    const options = {
      'set-state': [{ event: 'read_aio', state: 1, new_state: 2 }],
      ...rule({ event: 'write_aio', state: 2, once: true }),
    };
    await using disk = await openGraph(graph(options, 'raw'), { readOnly: false });
    const first = await writes(disk, 0);
    await disk.read(new Uint8Array(512), 0);
    expect([first, await writes(disk, 0)]).toEqual(['none', 'EIO']);
  });

  it('strike synchronous requests as well', () => {
    const disk = openGraphSync(graph(rule({ event: 'read_aio', once: true }), 'raw'));
    expect(() => disk.readSync(new Uint8Array(512), 0)).toThrow(/EIO on purpose/);
    disk.readSync(new Uint8Array(512), 0);
    disk.closeSync();
  });

  it('strike at opening', async () => {
    const opening = rule({ event: 'reftable_load', errno: 5 });
    const open = () => openGraph(graph(opening), { readOnly: false });
    expect(await failureOf(open)).toBe('EIO');
    expect(await failureOf(() => openGraph(graph(rule({ event: 'none' }))))).toBe('EIO');
  });

  /** Those strike at opening. */
  const atOpening = new Set(['none', 'reftable_load']);

  it.each(STORAGE_EVENTS.filter((event) => !atOpening.has(event)))(
    'at %s leave an image that is sound, but for leaks, and what was flushed',
    async (event) => {
      const disk = await openGraph(graph({}), { readOnly: false });
      await disk.write(new Uint8Array(64 * KIB).fill(9), 0);
      await disk.close();
      for (const once of [true, false]) {
        const failing = await openGraph(graph(rule({ event, once })), { readOnly: false });
        await writes(failing, 40 * KIB * KIB);
        await failureOf(() => failing.writeZeroes(0, 4 * KIB));
        await failureOf(() => failing.discard(128 * KIB, 64 * KIB));
        await failureOf(() => failing.close());
        const { corruptions, checkErrors } = checkDiskFileSync(image);
        expect([corruptions, checkErrors]).toEqual([0, 0]);
        using left = openDiskFileSync(image);
        const bytes = new Uint8Array(60 * KIB);
        left.readSync(bytes, 4 * KIB);
        expect(bytes.every((byte) => byte === 9)).toBe(true);
      }
    },
  );
});

describe('breakpoints', () => {
  it('stop a request until it is told to go on', async () => {
    await using disk = await openGraph(graph({}, 'raw'), { readOnly: false });
    const points = breakpointsOf(disk)!;
    const heard: string[] = [];
    points.listener = {
      stopped: (tag) => void heard.push(`stopped ${tag}`),
      goesOn: (tag) => void heard.push(`on ${tag}`),
      leaked: ({ message }) => void heard.push(message),
    };
    expect(points.add('nothing', 'A')).toBe(false);
    expect(points.add('write_aio', 'A')).toBe(true);
    const writing = disk.write(new Uint8Array(512).fill(1), 0).then(() => heard.push('written'));
    await points.whenStopped('A');
    expect(points.isStopped('A')).toBe(true);
    expect(points.resume('B')).toBe(false);
    expect(points.resume('A')).toBe(true);
    await writing;
    expect(heard).toEqual(['stopped A', 'on A', 'written']);
    // It was for one request.
    await disk.write(new Uint8Array(512), 0);
  });

  it('are taken back', async () => {
    await using disk = await openGraph(graph({}, 'raw'), { readOnly: false });
    const points = breakpointsOf(disk)!;
    points.add('write_aio', 'A');
    expect([points.remove('A'), points.remove('A')]).toEqual([true, false]);
    await disk.write(new Uint8Array(512), 0);
    points.add('read_aio', 'B');
    const reading = disk.read(new Uint8Array(512), 0);
    await points.whenStopped('B');
    points.clear();
    await reading;
  });

  it('refuse what cannot wait', () => {
    using disk = openGraphSync(graph({}, 'raw'));
    breakpointsOf(disk)!.add('read_aio', 'A');
    expect(() => disk.readSync(new Uint8Array(512), 0)).toThrow(/cannot wait/);
  });

  it('are there only where a node offers them', async () => {
    await using disk = await openGraph(parseDiskName(image));
    expect(breakpointsOf(disk)).toBeUndefined();
  });
});

describe('limits of the host', () => {
  it('has whole units read, changed and written, one request after the other', async () => {
    await using disk = await openGraph(graph({ align: 4096 }, 'raw'), { readOnly: false });
    const points = breakpointsOf(disk)!;
    points.add('pwritev_rmw_after_head', 'A');
    const first = disk.write(new Uint8Array(512).fill(1), 512);
    await points.whenStopped('A');
    // Would be lost if the first one wrote back what it has read.
    const second = disk.write(new Uint8Array(512).fill(2), 1024);
    await new Promise((resolve) => void setTimeout(resolve, 5));
    points.resume('A');
    await Promise.all([first, second]);
    const bytes = new Uint8Array(2048);
    await disk.read(bytes, 0);
    expect([bytes[0], bytes[512], bytes[1024], bytes[1536]]).toEqual([7, 1, 2, 7]);
  });

  it('leaves out what is less than a unit of writes of a discard', async () => {
    const options = { align: 4096, 'opt-discard': 16384, 'max-discard': 16384 };
    await using disk = await openGraph(graph(options, 'raw'), { readOnly: false });
    await disk.discard(1024, 40 * KIB);
    const bytes = new Uint8Array(64 * KIB);
    await disk.read(bytes, 0);
    expect([bytes[4095], bytes[4096], bytes[40 * KIB - 1], bytes[40 * KIB]]).toEqual([7, 0, 0, 7]);
  });

  it.each([
    [{ align: 7 }, 'Cannot meet constraints with align 7'],
    [{ align: 2 ** 31 }, 'Cannot meet constraints with align 2147483648'],
    [{ align: 512, 'opt-discard': 700 }, 'Cannot meet constraints with opt-discard 700'],
    [rule({ event: 'foo' }), 'invalid parameter value: foo'],
    [rule({ errno: 5 }), 'Missing event name for rule'],
    [rule({ event: 'none', foo: 1 }), "[inject-error] section doesn't support the option 'foo'"],
    [{ 'inject-error.1.event': 'none' }, "Unused option '1.event' for [inject-error]"],
    [{ config: '/nonexistent' }, /^Could not read blkdebug config file: No such file/],
    [{ config: '/dev/zero' }, /^The blkdebug config file is too large$/],
  ])('refuses %o', (options, message) => {
    expect(() => openGraphSync(graph(options))).toThrow(message);
  });
});

describe('configuration files', () => {
  const path = join(work, 'config');

  function opened(text: string): void {
    writeFileSync(path, text);
    openGraphSync(graph({ config: path }, 'raw')).closeSync();
  }

  it('hold rules', async () => {
    writeFileSync(
      path,
      '# why\n\n[inject-error "x"]\nevent = "read_aio"\nonce = "on"\nerrno = "28"\n',
    );
    await using disk = await openGraph(graph({ config: path }, 'raw'));
    expect(await failureOf(() => disk.read(new Uint8Array(1), 0))).toBe('ENOSPC');
  });

  it.each([
    ['[foo]\na = "b"\n', "There is no option group 'foo'"],
    ['foo\n', 'no group defined'],
    ['[inject-error]\n', 'Missing event name for rule'],
    ['[inject-error]\nfoo = "b"\n', "Invalid parameter 'foo'"],
    ['[inject-error]\nevent="read_aio"\n', `Invalid parameter 'event="read_aio"'`],
    ['[inject-error]\nevent = "read_aio"\nerrno = "x"\n', "Parameter 'errno' expects a number"],
    [`[set-state]\n${'x'.repeat(2 ** 21)}`, 'The blkdebug config file is too large'],
  ])('are refused: %#', (text, message) => {
    expect(() => opened(text)).toThrow(message);
  });
});
