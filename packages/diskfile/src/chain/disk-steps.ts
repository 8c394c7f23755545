/** What is done to opened disks, as steps that can be driven both ways. */
import { DiskError } from '@diskfile/bytes';
import { type BlockStatus, type DiskFile, hostCall, type Step } from '@diskfile/core';

/** Status of the range from `guestOffset` on, as far as one answer reaches. */
export function* nextStatus(
  disk: DiskFile,
  guestOffset: number,
  lengthBytes: number,
): Step<BlockStatus> {
  const { value } = yield* hostCall(
    () => disk.blockStatusSync(guestOffset, lengthBytes)[Symbol.iterator]().next(),
    () => disk.blockStatus(guestOffset, lengthBytes)[Symbol.asyncIterator]().next(),
  );
  return value as BlockStatus;
}

export function* readDisk(disk: DiskFile, dst: Uint8Array, guestOffset: number): Step<void> {
  yield {
    runSync: () => disk.readSync(dst, guestOffset),
    run: () => disk.read(dst, guestOffset),
  };
}

export function* writeDisk(disk: DiskFile, src: Uint8Array, guestOffset: number): Step<void> {
  yield {
    runSync: () => disk.writeSync(src, guestOffset),
    run: () => disk.write(src, guestOffset),
  };
}

export function* zeroDisk(disk: DiskFile, guestOffset: number, lengthBytes: number): Step<void> {
  yield {
    runSync: () => disk.writeZeroesSync(guestOffset, lengthBytes),
    run: () => disk.writeZeroes(guestOffset, lengthBytes),
  };
}

export function* flushDisk(disk: DiskFile): Step<void> {
  yield { runSync: () => disk.flushSync(), run: () => disk.flush() };
}

export function* closeDisk(disk: DiskFile): Step<void> {
  yield { runSync: () => disk.closeSync(), run: () => disk.close() };
}

/** Does some work on a disk and closes it. */
export function* thenClose<T>(disk: DiskFile, work: Step<T>): Step<T> {
  let result: T;
  try {
    result = yield* work;
  } catch (error) {
    yield* abandonDisk(disk);
    throw error;
  }
  yield* closeDisk(disk);
  return result;
}

/** Closes a disk after something else has failed, which is what matters then. */
export function* abandonDisk(disk: DiskFile): Step<void> {
  try {
    yield* closeDisk(disk);
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
  }
}
