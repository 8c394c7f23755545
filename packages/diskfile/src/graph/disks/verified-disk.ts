/** A disk whose every byte is compared with a raw copy: what QEMU's `blkverify` is. */
import { constants } from 'node:os';
import { DiskError } from '@diskfile/bytes';
import {
  abandonStorages,
  type BlockStatus,
  checkAccess,
  type DiskFile,
  type Step,
  type Storage,
} from '@diskfile/core';
import { readDisk } from '../../chain/disk-steps.ts';
import type { DiskFilter } from './disk-filter.ts';
import { DiskStorage } from './disk-storage.ts';
import { failureOf, failureOfPromise } from '../failure-of.ts';
import { MirroredDisk } from './mirrored-disk.ts';
import { isEqual, mismatch } from './quorum-disk.ts';

const PROBED_BYTES = 512;

/** Owns both disks. */
export class VerifiedDisk extends MirroredDisk {
  readonly #copy: DiskFile;
  #isComparing = false;

  /** @param disk the one under test */
  constructor(disk: DiskFile, copy: DiskFile) {
    super(disk, 'blkverify');
    this.#copy = copy;
  }

  protected override over(disk: DiskFile): DiskFilter {
    const clone = new VerifiedDisk(disk, this.#copy.tryClone());
    clone.#isComparing = this.#isComparing;
    return clone;
  }

  /** From here on what is read is compared: formats that look into the disk are not in question. */
  begin(): void {
    this.#isComparing = true;
  }

  /** Compares the bytes by which QEMU finds out the format of what is in the disk. */
  *compareHead(): Step<void> {
    const [expected, found] = [new Uint8Array(PROBED_BYTES), new Uint8Array(PROBED_BYTES)];
    if (this.sizeBytes < PROBED_BYTES) return;
    yield* readDisk(this.#copy, expected, 0);
    yield* readDisk(this.disk, found, 0);
    if (!isEqual(expected, found)) throw mismatch('blkverify: read', expected, found, 0);
  }

  /** Where there is something is what the copy says; both read the same. */
  override blockStatus(guestOffset?: number, lengthBytes?: number): AsyncIterable<BlockStatus> {
    return this.#copy.blockStatus(guestOffset, lengthBytes);
  }

  override blockStatusSync(guestOffset?: number, lengthBytes?: number): Iterable<BlockStatus> {
    return this.#copy.blockStatusSync(guestOffset, lengthBytes);
  }

  override get name(): string {
    return `blkverify:${this.#copy.name}:${this.disk.name}`;
  }

  override get synchronous(): boolean {
    return this.disk.synchronous && this.#copy.synchronous;
  }

  override get readOnly(): boolean {
    return this.disk.readOnly || this.#copy.readOnly;
  }

  override readSync(dst: Uint8Array, guestOffset: number): void {
    checkAccess(this, 'read', dst, guestOffset);
    const expected = new Uint8Array(dst.length);
    this.#copy.readSync(expected, guestOffset);
    this.disk.readSync(dst, guestOffset);
    this.#refuseMismatch(expected, dst, guestOffset);
  }

  override async read(dst: Uint8Array, guestOffset: number): Promise<void> {
    checkAccess(this, 'read', dst, guestOffset);
    const expected = new Uint8Array(dst.length);
    await Promise.all([this.#copy.read(expected, guestOffset), this.disk.read(dst, guestOffset)]);
    this.#refuseMismatch(expected, dst, guestOffset);
  }

  override writeSync(src: Uint8Array, guestOffset: number): void {
    const copied = failureOf(() => this.#copy.writeSync(src, guestOffset));
    const written = failureOf(() => this.disk.writeSync(src, guestOffset));
    refuseOther(written, copied, guestOffset, src.length);
  }

  override async write(src: Uint8Array, guestOffset: number): Promise<void> {
    const [written, copied] = await Promise.all([
      failureOfPromise(this.disk.write(src, guestOffset)),
      failureOfPromise(this.#copy.write(src, guestOffset)),
    ]);
    refuseOther(written, copied, guestOffset, src.length);
  }

  override writeZeroesSync(guestOffset: number, lengthBytes: number): void {
    this.#copy.writeZeroesSync(guestOffset, lengthBytes);
    this.disk.writeZeroesSync(guestOffset, lengthBytes);
  }

  override async writeZeroes(guestOffset: number, lengthBytes: number): Promise<void> {
    await this.#copy.writeZeroes(guestOffset, lengthBytes);
    await this.disk.writeZeroes(guestOffset, lengthBytes);
  }

  override flushSync(): void {
    this.disk.flushSync();
    this.#copy.flushSync();
  }

  override async flush(): Promise<void> {
    await Promise.all([this.disk.flush(), this.#copy.flush()]);
  }

  override closeSync(): void {
    this.disk.closeSync();
    this.#copy.closeSync();
  }

  override async close(): Promise<void> {
    await Promise.all([this.disk.close(), this.#copy.close()]);
  }

  #refuseMismatch(expected: Uint8Array, found: Uint8Array, guestOffset: number): void {
    if (!this.#isComparing || isEqual(expected, found)) return;
    throw mismatch('blkverify: read', expected, found, guestOffset);
  }
}

/** What is compared ends with the first difference, that of finding out the format as well. */
export function* compareProbed(storage: Storage): Step<void> {
  if (!(storage instanceof DiskStorage) || !(storage.disk instanceof VerifiedDisk)) return;
  try {
    yield* storage.disk.compareHead();
  } catch (error) {
    yield* abandonStorages([storage]);
    throw error;
  }
}

/** @throws what both writes failed with, or that one of them did not */
function refuseOther(
  written: unknown,
  copied: unknown,
  guestOffset: number,
  lengthBytes: number,
): void {
  const [one, other] = [resultOf(written), resultOf(copied)];
  if (one === other && written === undefined) return;
  if (one === other) throw written;
  throw new DiskError(
    'io',
    'graph.mismatch',
    `blkverify: write offset=${guestOffset} bytes=${lengthBytes} return value mismatch ${one} != ${other}`,
    { op: 'write', offset: guestOffset },
  );
}

/** As QEMU's drivers return it. @throws what is no failure of a disk */
function resultOf(failure: unknown): number {
  if (failure === undefined) return 0;
  if (!(failure instanceof DiskError)) throw failure;
  const { errno } = constants;
  return -(errno[failure.errno as keyof typeof errno] ?? errno.EIO);
}
