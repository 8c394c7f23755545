/** What progress of a conversion counts. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { convertDiskFile, createDiskFile, openDiskFile } from 'diskfile';
import { afterAll, describe, expect, it } from 'vitest';

const MIB = 2 ** 20;
const folder = mkdtempSync(join(tmpdir(), 'diskfile-progress-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function totalsOf(progressOf: 'disk' | 'data' | undefined): Promise<readonly number[]> {
  const source = join(folder, `source-${progressOf}`);
  await createDiskFile(source, { format: 'qcow2', sizeBytes: 64 * MIB });
  const disk = await openDiskFile(source, { readOnly: false });
  await disk.write(new Uint8Array(MIB).fill(1), 0);
  await disk.write(new Uint8Array(2 * MIB).fill(2), 40 * MIB);
  await disk.close();
  const seen: { readonly doneBytes: number; readonly totalBytes: number }[] = [];
  await convertDiskFile(source, join(folder, `target-${progressOf}`), {
    format: 'raw',
    onProgress: (progress) => seen.push(progress),
    ...(progressOf === undefined ? {} : { progressOf }),
  });
  const done = seen.map(({ doneBytes }) => doneBytes);
  expect(done).toEqual(done.toSorted((a, b) => a - b));
  expect(done[0]).toBe(0);
  expect(done.at(-1)).toBe(seen[0]!.totalBytes);
  return [...new Set(seen.map(({ totalBytes }) => totalBytes))];
}

describe('progress of a conversion', () => {
  it('counts the whole disk, or its data alone', async () => {
    expect(await totalsOf(undefined)).toEqual([64 * MIB]);
    expect(await totalsOf('disk')).toEqual([64 * MIB]);
    expect(await totalsOf('data')).toEqual([3 * MIB]);
  });
});
