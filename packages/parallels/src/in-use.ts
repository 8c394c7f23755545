/** The mark that an image is being written: durable before anything changes, cleared at the end. */
import { writeU32le } from '@diskfile/bytes';
import { flushStorage, type Step, type WritableStorage, writeBytes } from '@diskfile/core';
import { IN_USE_AT } from './header.ts';

/** @param value of `in_use` */
export function* setInUse(storage: WritableStorage, value: number): Step<void> {
  const field = new Uint8Array(4);
  writeU32le(field, 0, value);
  yield* writeBytes(storage, field, IN_USE_AT);
  yield* flushStorage(storage);
}
