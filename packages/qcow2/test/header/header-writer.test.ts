import { describe, expect, it } from 'vitest';
import { MemoryStorage, runSync } from '@diskfile/core';
import {
  decodeHeaderContent,
  extensionsEndOf,
  layOutHeader,
} from '../../src/header/header-content.ts';
import { withExtension } from '../../src/header/header-forms.ts';
import { EXTENSION_TYPE } from '../../src/header/header-extensions.ts';
import { HeaderWriter } from '../../src/header/header-writer.ts';
import { CrashStorage, randomFrom } from '../support/crash-storage.ts';
import { createImage, type CreateOptions, ImageFiles } from '../support/writable-image.ts';

const text = (value: string) => new TextEncoder().encode(value);

function headerCluster(options: CreateOptions = {}): Uint8Array {
  const files = createImage(new ImageFiles(), 1024 * 1024, options);
  return files.imageBytes.slice(0, Number(options['cluster_size'] ?? 65_536));
}

function named(name: string | undefined, format: string | undefined) {
  return (content: Parameters<Parameters<HeaderWriter['update']>[0]>[0]) => ({
    ...withExtension(
      content,
      EXTENSION_TYPE.backingFormat,
      format === undefined ? undefined : text(format),
    ),
    backingName: name === undefined ? undefined : text(name),
  });
}

const OPTIONS: [name: string, options: CreateOptions][] = [
  ['version 3', {}],
  ['version 2', { compat: '0.10' }],
  ['small clusters', { cluster_size: 1024 }],
  ['a data file', { data_file: 'a-data-file' }],
  ['zstd', { compression_type: 'zstd' }],
];

describe('HeaderWriter', () => {
  it.each(OPTIONS)('writes back what it read: %s', (_, options) => {
    const cluster = headerCluster(options);
    const storage = new MemoryStorage(cluster.slice(), 'image');
    const writer = new HeaderWriter(storage, cluster);
    runSync(writer.update((content) => content));
    const after = new Uint8Array(cluster.length);
    storage.readSync(after, 0);
    expect(Buffer.from(after).equals(Buffer.from(cluster))).toBe(true);
  });

  it('keeps extensions that nobody knows', () => {
    const cluster = headerCluster();
    const writer = new HeaderWriter(new MemoryStorage(cluster.slice(), 'image'), cluster);
    runSync(writer.update((content) => withExtension(content, 0x1234_5678, text('whatever'))));
    runSync(writer.update(named('below.raw', 'raw')));
    expect(writer.extensions.unknown).toEqual([{ type: 0x1234_5678, lengthBytes: 8 }]);
    expect(writer.backing).toEqual({ name: 'below.raw', format: 'raw' });
  });

  it.each(OPTIONS)('names the one backing file or the other after a crash: %s', (_, options) => {
    const random = randomFrom(7);
    const cluster = headerCluster(options);
    const storage = new CrashStorage(cluster.slice(), 'image');
    const writer = new HeaderWriter(storage, cluster);
    const longest = Math.min(700, cluster.length - 600);
    storage.flushSync();
    let before: string | undefined;
    let states = 0;
    for (let round = 0; round < 80; round++) {
      const length = 1 + Math.floor(random() * longest);
      const name = round % 7 === 6 ? undefined : `${round}-`.padEnd(length, 'x');
      const possible = new Set([before, name]);
      storage.onOperation = () => {
        for (const share of [0, 0.5, 1, random()]) {
          const crashed = storage.crashed(() => random() < share);
          const { backing } = new HeaderWriter(new MemoryStorage(crashed, 'crashed'), crashed);
          expect(possible).toContain(backing?.name);
          expect(backing?.format).toBe(backing === undefined ? undefined : 'qcow2');
          states += 1;
        }
      };
      const change = named(name, name === undefined ? undefined : 'qcow2');
      runSync(round % 3 === 0 ? writer.update(change) : writer.rewrite(change));
      before = name;
    }
    expect(states).toBeGreaterThan(400);
  });

  it('keeps extensions that nobody knows whole, whatever a crash leaves', () => {
    const random = randomFrom(7);
    const cluster = headerCluster();
    const plain = decodeHeaderContent(cluster);
    const unknown = [300, 500].map((length, index) => ({
      type: 0x1111_1111 * (index + 1),
      data: new Uint8Array(length).fill(index + 1),
    }));
    const content = { ...plain, extensions: [...plain.extensions, ...unknown] };
    cluster.set(layOutHeader(content, extensionsEndOf(content)).bytes);
    const storage = new CrashStorage(cluster.slice(), 'image');
    const writer = new HeaderWriter(storage, cluster);
    let states = 0;
    storage.onOperation = () => {
      for (const share of [0, 0.5, 1, random()]) {
        const { extensions } = decodeHeaderContent(storage.crashed(() => random() < share));
        expect(extensions).toEqual(expect.arrayContaining(unknown));
        states += 1;
      }
    };
    runSync(writer.setDirty(true));
    runSync(writer.setDirty(false));
    expect(writer.isDirty).toBe(false);
    expect(states).toBeGreaterThan(10);
  });

  it('writes the header again in the form that it had, whatever was in between', () => {
    const cluster = headerCluster();
    const storage = new MemoryStorage(cluster.slice(), 'image');
    const writer = new HeaderWriter(storage, cluster);
    for (const name of ['short', 'b'.repeat(900), 'c'.repeat(700), 'd', undefined]) {
      runSync(writer.rewrite(named(name, name === undefined ? undefined : 'raw')));
      expect(writer.backing?.name).toBe(name);
    }
    expect(Buffer.from(storage.bytes).equals(Buffer.from(cluster))).toBe(true);
  });

  it.each([1, 2, 3, 4])('goes on with the old header when host call %i fails', (failing) => {
    const cluster = headerCluster();
    const storage = new CrashStorage(cluster.slice(), 'image');
    const writer = new HeaderWriter(storage, cluster);
    const long = 'b'.repeat(600);
    runSync(writer.update(named(long, 'raw')));
    storage.failAt = storage.operations + failing - 1;
    storage.failures = 1;
    expect(() => runSync(writer.update(named('c'.repeat(700), 'raw')))).toThrow();
    expect(writer.backing?.name).toBe(long);
    storage.failAt = undefined;
    runSync(writer.settle());
    const bytes = storage.bytes.slice();
    expect(new HeaderWriter(new MemoryStorage(bytes, 'after'), bytes).backing?.name).toBe(long);
    runSync(writer.update(named('d', 'raw')));
    expect(writer.backing?.name).toBe('d');
  });
});
