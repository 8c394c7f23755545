/** Walks a guest's tree and looks at everything in it, within bounds. */
import type { FileSystem, TreeEntry } from '@diskfile/core';
import { ContractViolation } from '../fuzz-target.ts';
import { Budget } from './budget.ts';
import { tolerate } from './tolerate.ts';

const MAX_ENTRIES = 250;
const WALK_MS = 300;
const FILES_MS = 600;
const MAX_EXTENTS = 300;
const MAX_FILE_READS = 60;

/** One pair for all reads: fresh ones would cost more than the reading. */
const syncBytes = new Uint8Array(16 * 1024);
const asyncBytes = new Uint8Array(16 * 1024);

export async function exerciseFileSystem(
  fs: FileSystem,
  choices: readonly number[],
): Promise<void> {
  JSON.stringify([fs.statfsSync('/'), ...fs.mounts.map(({ volume }) => volume.details())]);
  const entries = await collectEntries(fs);
  const budget = new Budget(FILES_MS);
  let reads = 0;
  for (const { path, stats } of entries) {
    if (budget.isSpent) break;
    if (stats.type === 'symlink') {
      await tolerate(() => fs.readlinkSync(path));
      await tolerate(() => fs.realpathSync(path));
    }
    await tolerate(() => fs.xattrsSync(path, { followLinks: false }));
    if (stats.type === 'directory') await checkNames(fs, path);
    if (stats.type !== 'file' || reads === MAX_FILE_READS) continue;
    reads += 1;
    await exerciseFile(fs, path, choices, budget);
  }
  // Warnings grow while a volume is read; they have to stay printable.
  JSON.stringify(fs.mounts.map(({ volume }) => volume.warnings));
}

async function collectEntries(fs: FileSystem): Promise<TreeEntry[]> {
  const entries: TreeEntry[] = [];
  const budget = new Budget(WALK_MS);
  await tolerate(() => {
    for (const entry of fs.walkSync('/', { onError: () => {} })) {
      entries.push(entry);
      if (entries.length === MAX_ENTRIES || budget.isSpent) return;
    }
  });
  return entries;
}

/** A name that is no name would lead out of its directory. */
async function checkNames(fs: FileSystem, path: string): Promise<void> {
  await tolerate(() => {
    let count = 0;
    for (const { name } of fs.readdirSync(path)) {
      if (name === '' || name === '.' || name === '..' || /[/\0]/.test(name)) {
        throw new ContractViolation(`${path} lists the name ${JSON.stringify(name)}`);
      }
      count += 1;
      if (count === MAX_ENTRIES) return;
    }
  });
}

async function exerciseFile(
  fs: FileSystem,
  path: string,
  choices: readonly number[],
  budget: Budget,
): Promise<void> {
  const handle = await tolerate(() => fs.openSync(path));
  if (handle === undefined) return;
  const { sizeBytes } = handle;
  const place = Math.floor((choices[0] ?? 0) * sizeBytes);
  for (const offset of [0, place, Math.max(0, sizeBytes - 100)]) {
    const syncCount = await tolerate(() => handle.readSync(syncBytes, offset));
    const asyncCount = await tolerate(() => handle.read(asyncBytes, offset));
    const [sync, async] = [syncBytes, asyncBytes].map((bytes) => bytes.subarray(0, syncCount));
    const alike = syncCount === undefined || Buffer.compare(sync!, async!) === 0;
    if (syncCount !== asyncCount || !alike) {
      throw new ContractViolation(`ways of reading ${path} at ${offset} disagree`);
    }
  }
  await tolerate(() => {
    let expected = 0;
    let count = 0;
    for (const { offset, lengthBytes } of handle.extentsSync()) {
      if (offset !== expected || lengthBytes <= 0 || offset + lengthBytes > sizeBytes) {
        throw new ContractViolation(`extents of ${path} do not tile it at ${expected}`);
      }
      expected = offset + lengthBytes;
      count += 1;
      if (count === MAX_EXTENTS || budget.isSpent) return;
    }
    if (expected !== sizeBytes) throw new ContractViolation(`extents of ${path} end too early`);
  });
}
