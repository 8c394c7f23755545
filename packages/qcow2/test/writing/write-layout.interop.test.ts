import { describe, expect, it } from 'vitest';
import { MemoryStorage } from '@diskfile/core';
import { contentOf } from '../support/content.ts';
import { imageDifference } from '../support/image-difference.ts';
import { WorkDirectory } from '../support/qemu.ts';
import { type CreateOptions, ImageFiles, openWritable } from '../support/writable-image.ts';

const KIBIBYTE = 1024;
const SIZE_BYTES = 64 * KIBIBYTE * KIBIBYTE;
const BASE = contentOf(5, 300_000);
const EXTENDED: CreateOptions = { extended_l2: true };
const OVER: CreateOptions = { ...EXTENDED, backing_file: 'base', backing_fmt: 'raw' };

/** @param place where the write begins, and its length, in KiB */
const TABLE: [name: string, options: CreateOptions, before: string, place: [number, number]][] = [
  [
    'goes on behind what it overwrites, as far as space is free there',
    {},
    'write 0 256k; write 1280k 128k; discard 1280k 64k',
    [192, 256],
  ],
  [
    'leaves free space before that alone',
    {},
    'write 0 256k; write 1280k 128k; discard 1280k 64k; discard 0 64k',
    [192, 256],
  ],
  [
    'takes free space before that for the rest',
    {},
    'write 0 256k; write 1280k 128k; discard 1280k 64k; discard 0 128k',
    [193, 251],
  ],
  [
    'overwrites more than once',
    {},
    'write 0 256k; write 320k 64k; write 1280k 64k; discard 1280k 64k',
    [192, 320],
  ],
  [
    'begins in new space',
    {},
    'write 0 64k; write 128k 64k; write 64k 64k; discard 64k 64k; discard 0 64k',
    [0, 320],
  ],
  ['replaces a part between two others', EXTENDED, 'write 8k 2k; write 20k 2k; -c', [14, 1]],
  ['replaces a part before others', EXTENDED, 'write 8k 2k; write 20k 2k; -c', [2, 1]],
  ['replaces a part behind others', EXTENDED, 'write 8k 2k; write 20k 2k; -c', [30, 5]],
  ['keeps zeros around', EXTENDED, 'write -z 20k 10k; write 40k 2k; write -z 60k 4k; -c', [24, 1]],
  ['replaces zeros alone', EXTENDED, 'write 0 64k; write -z 0 64k; -c', [7, 3]],
  ['replaces several', EXTENDED, 'write 8k 2k; write 100k 2k; write 40k 2k; -c', [63, 80]],
  ['replaces a part over backing', OVER, 'write 8k 2k; write 20k 2k; -c', [30, 1]],
];

describe('a write leaves every byte where qemu-io leaves it, when it', () => {
  it.each(TABLE)('%s', (_, options, before, [startKib, lengthKib]) => {
    using directory = new WorkDirectory();
    directory.write('base', BASE);
    directory.createQcow2('image', SIZE_BYTES, options);
    for (const step of before.split('; ')) {
      if (step === '-c') directory.run('qemu-img', 'snapshot', '-c', 'kept', 'image');
      else directory.run('qemu-io', '-c', step, 'image');
    }
    const files = new ImageFiles(new MemoryStorage(directory.read('image'), 'image'));
    files.others.set('base', new MemoryStorage(BASE, 'base'));
    const disk = openWritable(files);
    disk.writeSync(new Uint8Array(lengthKib * KIBIBYTE).fill(7), startKib * KIBIBYTE);
    disk.closeSync();
    directory.run('qemu-io', '-c', `write -P 7 ${startKib}k ${lengthKib}k`, 'image');
    expect(imageDifference(files.imageBytes, directory.read('image'))).toBeUndefined();
  });
});
