/** Reads a disk in every way there is, within bounds, and compares the ways. */
import { DiskError } from '@diskfile/bytes';
import type { BlockStatus, DiskFile } from '@diskfile/core';
import { ContractViolation } from '../fuzz-target.ts';
import { exerciseBitmaps } from './bitmaps.ts';
import { Budget } from './budget.ts';
import { tolerate } from './tolerate.ts';

const MAX_STATUSES = 2000;
const STATUS_MS = 400;
const READ_MS = 400;
const MAX_READ_BYTES = 128 * 1024;
const MAX_STATUS_READS = 12;
const TOGETHER_BYTES = 10_000;

/** One for each way of reading, used again: fresh ones would cost more than the reading. */
const buffers = [0, 1, 2].map(() => new Uint8Array(MAX_READ_BYTES));

/** @param choices random fractions in [0, 1) for where to read */
export async function exerciseDisk(disk: DiskFile, choices: readonly number[]): Promise<void> {
  JSON.stringify([disk.info(), disk.capabilities.snapshots?.list(), disk.topology, disk.warnings]);
  disk.physicalSizeBytes();
  const statuses = await collectStatuses(disk);
  const budget = new Budget(READ_MS);
  for (const { guestOffset, lengthBytes, zero } of spread(statuses, MAX_STATUS_READS)) {
    const bytes = await readAlike(disk, guestOffset, Math.min(lengthBytes, 4096));
    if (zero && bytes?.some((byte) => byte !== 0)) {
      throw new ContractViolation(`block status says zeros at ${guestOffset}, and they are not`);
    }
  }
  for (let index = 0; index + 1 < choices.length && !budget.isSpent; index += 2) {
    const offset = Math.floor(choices[index]! * disk.sizeBytes);
    const wanted = Math.ceil(choices[index + 1]! ** 4 * MAX_READ_BYTES);
    await readAlike(disk, offset, Math.min(wanted, disk.sizeBytes - offset));
  }
  await readAlike(disk, 0, Math.min(MAX_READ_BYTES, disk.sizeBytes));
  await readTogether(disk, choices);
  await exerciseBitmaps(disk);
}

async function collectStatuses(disk: DiskFile): Promise<BlockStatus[]> {
  const statuses: BlockStatus[] = [];
  const budget = new Budget(STATUS_MS);
  let expected = 0;
  await tolerate(() => {
    for (const status of disk.blockStatusSync()) {
      const { guestOffset, lengthBytes } = status;
      const end = guestOffset + lengthBytes;
      if (guestOffset !== expected || lengthBytes <= 0 || end > disk.sizeBytes) {
        throw new ContractViolation(`block status does not tile the disk at ${expected}`);
      }
      expected = end;
      statuses.push(status);
      if (statuses.length === MAX_STATUSES || budget.isSpent) return;
    }
    if (expected !== disk.sizeBytes) throw new ContractViolation('block status ends too early');
  });
  return statuses;
}

/** Some of many, evenly. */
function spread<T>(items: readonly T[], count: number): T[] {
  const step = Math.max(1, Math.floor(items.length / count));
  return items.filter((_, index) => index % step === 0).slice(0, count);
}

/**
 * Reads a range synchronously, asynchronously and in a batch; the answers have to be the same.
 * The bytes are valid until the next call.
 */
async function readAlike(
  disk: DiskFile,
  offset: number,
  lengthBytes: number,
): Promise<Uint8Array | undefined> {
  const sync = buffers[0]!.subarray(0, lengthBytes).fill(0xa5);
  const async = buffers[1]!.subarray(0, lengthBytes).fill(0x5a);
  const batch = buffers[2]!.subarray(0, lengthBytes).fill(0x55);
  const syncError = await errorOf(() => disk.readSync(sync, offset));
  const asyncError = await errorOf(() => disk.read(async, offset));
  const [result] = await disk.submitBatch([{ op: 'read', guestOffset: offset, buffer: batch }]);
  const batchError = await errorOf(() => {
    if (result!.error !== undefined) throw result!.error;
  });
  const failed = [syncError, asyncError, batchError].map((error) => error !== undefined);
  if (failed.some((value) => value !== failed[0])) {
    throw new ContractViolation(
      `ways of reading at ${offset} disagree on failing: ${failed.join()}`,
    );
  }
  if (failed[0]) return undefined;
  if (!equal(sync, async) || !equal(sync, batch)) {
    throw new ContractViolation(`ways of reading at ${offset} give different bytes`);
  }
  return sync;
}

/** Reads overlapping in time must not disturb one another. */
async function readTogether(disk: DiskFile, choices: readonly number[]): Promise<void> {
  const offsets = [0, ...choices].map((choice) => Math.floor(choice * disk.sizeBytes));
  const reads = offsets.map(async (offset) => {
    const bytes = new Uint8Array(Math.min(TOGETHER_BYTES, disk.sizeBytes - offset));
    return { offset, bytes, error: await errorOf(() => disk.read(bytes, offset)) };
  });
  for (const { offset, bytes, error } of await Promise.all(reads)) {
    const alone = await readAlike(disk, offset, bytes.length);
    const alike = alone === undefined ? error !== undefined : error === undefined;
    if (!alike || (alone !== undefined && !equal(alone, bytes))) {
      throw new ContractViolation(`a read at ${offset} among others differs from one alone`);
    }
  }
}

async function errorOf(attempt: () => void | Promise<void>): Promise<DiskError | undefined> {
  try {
    await attempt();
    return undefined;
  } catch (error) {
    if (error instanceof DiskError) return error;
    throw error;
  }
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
