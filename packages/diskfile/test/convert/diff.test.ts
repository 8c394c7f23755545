import { FakeLink, type FakeNode, FakeVolume, SeededRandom } from '@diskfile/testkit';
import { describe, expect, it } from 'vitest';
import {
  diskDifferences,
  diskDifferencesSync,
  DiskError,
  type DiskFile,
  fileDifferencesSync,
  FileSystem,
  MemoryStorage,
  openDiskFileSync,
} from '../../src/index.ts';

const SECTOR = 512;

function diskOf(bytes: Uint8Array): DiskFile {
  return openDiskFileSync(new MemoryStorage(bytes), { format: 'raw' });
}

/** By looking at each sector; what is not there is zeros. */
function expected(first: Uint8Array, second: Uint8Array): { start: number; end: number }[] {
  const runs: { start: number; end: number }[] = [];
  const size = Math.max(first.length, second.length);
  for (let start = 0; start < size; start += SECTOR) {
    const end = Math.min(start + SECTOR, size);
    let differs = false;
    for (let at = start; at < end; at++) differs ||= (first[at] ?? 0) !== (second[at] ?? 0);
    if (!differs) continue;
    const last = runs.at(-1);
    if (last?.end === start) last.end = end;
    else runs.push({ start, end });
  }
  return runs;
}

describe('the ranges in which two disks differ', () => {
  it('are those that a look at every sector finds', async () => {
    const random = new SeededRandom(7);
    for (let round = 0; round < 12; round++) {
      const first = new Uint8Array(5 * 2 ** 20 + SECTOR * random.below(9));
      for (let count = 0; count < 6; count++) {
        const at = random.below(first.length);
        first.fill(1 + random.below(255), at, at + random.below(300_000));
      }
      const second = first.slice(0, first.length - SECTOR * random.below(3000));
      for (let count = random.below(40); count > 0; count--) {
        const at = random.below(second.length);
        second.fill(random.below(256), at, at + 1 + random.below(2000));
      }
      const found = [...diskDifferencesSync(diskOf(first), diskOf(second))];
      const ends = found.map(({ guestOffset, lengthBytes }) => ({
        start: guestOffset,
        end: guestOffset + lengthBytes,
      }));
      expect(ends).toEqual(expected(first, second));
      const waited = [];
      for await (const each of diskDifferences(diskOf(second), diskOf(first))) waited.push(each);
      expect(waited).toEqual(found);
    }
  });

  it('are none of two empty disks, however large', () => {
    expect([...diskDifferencesSync(diskOf(new Uint8Array(0)), diskOf(new Uint8Array(0)))]).toEqual(
      [],
    );
  });

  it('are looked for until the work is called off', () => {
    const signal = AbortSignal.abort();
    const disk = diskOf(new Uint8Array(SECTOR).fill(1));
    const walk = diskDifferencesSync(disk, diskOf(new Uint8Array(SECTOR)), { signal });
    expect(() => [...walk]).toThrowError(expect.objectContaining({ code: 'aborted' }));
  });
});

function fileSystemOf(tree: FakeNode): FileSystem {
  return new FileSystem(new FakeVolume(tree), { synchronous: true });
}

function changesOf(first: FileSystem, second: FileSystem): string[] {
  return [...fileDifferencesSync(first, second)].map(({ path, change, aspects }) =>
    [change, path, ...aspects].join(' '),
  );
}

describe('the files in which two guests differ', () => {
  it('are those of one guest alone, and those that changed', () => {
    const first = fileSystemOf({ gone: 'x', kept: 'same', longer: 'a', other: 'a' });
    const second = fileSystemOf({ kept: 'same', longer: 'ab', new: '', other: 'b' });
    expect(changesOf(first, second)).toEqual([
      'removed /gone',
      'changed /longer size',
      'changed /other content',
      'added /new',
    ]);
  });

  it.each([
    ['a file', 'text'],
    ['a link to a like directory', new FakeLink('/elsewhere')],
    ['a link to itself', new FakeLink('place')],
  ])('are all below a directory that is %s in the other', (_what, place) => {
    const elsewhere = { file: 'x' };
    const first = fileSystemOf({ elsewhere, place: { file: 'x' }, 'place-2': 'y' });
    const second = fileSystemOf({ elsewhere, place, 'place-2': 'y' });
    expect(changesOf(first, second)).toEqual(['changed /place type', 'removed /place/file']);
    expect(changesOf(second, first)).toEqual(['changed /place type', 'added /place/file']);
  });

  it('are not told where a file cannot be looked at', () => {
    const second = fileSystemOf({ file: '' });
    for (const code of ['not-found', 'invalid-argument'] as const) {
      const error = new DiskError(code, 'storage.gone', 'The storage is gone');
      second.lstatSync = () => {
        throw error;
      };
      expect(() => changesOf(fileSystemOf({ file: '' }), second)).toThrow(error);
    }
  });
});
