/** Trees that only a damaged or hostile filesystem has: a walk of them stays small. */
import { describe, expect, it } from 'vitest';
import { type DirectoryCursor, type DirectoryEntry, FileSystem, type Step } from '../src/index.ts';
import { FakeVolume } from '@diskfile/testkit';

const BATCH = 1000;

/** A root directory of very many files, all the same one, whose names descend. */
class CrowdedVolume extends FakeVolume {
  batchesRead = 0;
  readonly #count: number;

  constructor(count: number) {
    super({ file: '' });
    this.#count = count;
  }

  override *openDirectory(): Step<DirectoryCursor> {
    return {
      next: function* (this: CrowdedVolume): Step<readonly DirectoryEntry[] | undefined> {
        const done = this.batchesRead * BATCH;
        if (done >= this.#count) return undefined;
        this.batchesRead += 1;
        return Array.from({ length: BATCH }, (_, index) => ({
          name: String(10_000_000 - done - index),
          inode: 1,
          type: 'file' as const,
        }));
      }.bind(this),
    };
  }
}

/** A directory in a directory in a directory, without end. */
class BottomlessVolume extends FakeVolume {
  override *stat() {
    return { ...(yield* super.stat(0)), type: 'directory' as const };
  }

  override *openDirectory(inode: number): Step<DirectoryCursor> {
    const batches = [[{ name: 'd', inode: inode + 1, type: 'directory' as const }]];
    return {
      *next() {
        return batches.shift();
      },
    };
  }
}

describe('a walk', () => {
  it('sorts a directory of usual size', () => {
    const fs = new FileSystem(new CrowdedVolume(5 * BATCH), { synchronous: true });
    const paths = [...fs.walkSync('/')].map(({ path }) => path);
    expect(paths.length).toBe(1 + 5 * BATCH);
    expect(paths.slice(1)).toEqual(paths.slice(1).toSorted());
  });

  it('does not hold all names of a huge one, and gives them as they come', () => {
    const volume = new CrowdedVolume(1_003_000);
    const fs = new FileSystem(volume, { synchronous: true });
    const walk = fs.walkSync('/');
    expect([walk.next().value!.path, walk.next().value!.path]).toEqual(['/', '/10000000']);
    expect(volume.batchesRead).toBeLessThanOrEqual(1001);
    let count = 1;
    let last = '';
    for (const { path } of walk) {
      count += 1;
      last = path;
    }
    expect([count, last]).toEqual([1_003_000, `/${10_000_001 - 1_003_000}`]);
  });

  it('does not go down for ever', () => {
    const fs = new FileSystem(new BottomlessVolume({}), { synchronous: true });
    const problems: string[] = [];
    const onError = (error: { detail: string }) => problems.push(error.detail);
    const entries = [...fs.walkSync('/', { onError })];
    expect(entries.length).toBe(2049);
    expect(problems).toEqual(['filesystem.too-deep']);
    expect(() => [...fs.walkSync('/')]).toThrow(expect.objectContaining({ code: 'limit' }));
  });
});
