import { expect, it } from 'vitest';
import {
  compareDisks,
  compareDisksSync,
  digest,
  type DiskFile,
  MemoryStorage,
  openDiskFileSync,
} from '../src/index.ts';

/** What has no size has nothing to compare: without a check, any two of these would be equal. */
it.each<[string, unknown]>([
  ['a path', 'vm.qcow2'],
  ['undefined', undefined],
  ['null', null],
  ['a storage', new MemoryStorage(new Uint8Array(512))],
])('only disks are compared and hashed, not %s', async (_what, given) => {
  const wrong = given as DiskFile;
  using disk = openDiskFileSync(new MemoryStorage(new Uint8Array(512)), { format: 'raw' });
  const refused = { code: 'invalid-argument', detail: 'disk.not-a-disk' };
  await expect(compareDisks(wrong, wrong)).rejects.toMatchObject(refused);
  await expect(compareDisks(disk, wrong)).rejects.toMatchObject(refused);
  expect(() => compareDisksSync(wrong, disk)).toThrowError(expect.objectContaining(refused));
  await expect(digest(wrong)).rejects.toMatchObject(refused);
});
