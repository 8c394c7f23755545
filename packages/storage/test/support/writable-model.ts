/** Random changes of a storage, made to it and to plain bytes alike. */
import fc from 'fast-check';
import { expect } from 'vitest';
import type { WritableStorage } from '@diskfile/core';
import { dirty, equal } from './model.ts';

export type Change =
  | {
      readonly op: 'write';
      readonly offset: number;
      readonly lengthBytes: number;
      readonly fill: number;
    }
  | { readonly op: 'punch'; readonly offset: number; readonly lengthBytes: number }
  | { readonly op: 'allocate'; readonly offset: number; readonly lengthBytes: number }
  | { readonly op: 'truncate'; readonly sizeBytes: number }
  | { readonly op: 'flush' };

export function changesOf(maxBytes: number): fc.Arbitrary<Change[]> {
  const range = { offset: fc.nat(maxBytes), lengthBytes: fc.nat(Math.floor(maxBytes / 3)) };
  return fc.array(
    fc.oneof(
      fc.record({
        op: fc.constant('write' as const),
        ...range,
        fill: fc.integer({ min: 1, max: 255 }),
      }),
      fc.record({ op: fc.constant('punch' as const), ...range }),
      fc.record({ op: fc.constant('allocate' as const), ...range }),
      fc.record({ op: fc.constant('truncate' as const), sizeBytes: fc.nat(maxBytes) }),
      fc.constant({ op: 'flush' as const }),
    ),
    { maxLength: 20 },
  );
}

/** The bytes after a change; what it returned says whether there was one. */
function applied(bytes: Uint8Array, change: Change, done: boolean): Uint8Array {
  const resized = (sizeBytes: number): Uint8Array => {
    const result = new Uint8Array(sizeBytes);
    result.set(bytes.subarray(0, sizeBytes));
    return result;
  };
  if (change.op === 'flush' || !done) return bytes;
  if (change.op === 'truncate') return resized(change.sizeBytes);
  const { offset, lengthBytes } = change;
  if (change.op === 'punch') return bytes.fill(0, offset, offset + lengthBytes);
  const grown = resized(
    lengthBytes === 0 ? bytes.length : Math.max(bytes.length, offset + lengthBytes),
  );
  if (change.op === 'write') grown.fill(change.fill, offset, offset + lengthBytes);
  return grown;
}

function changeSync(storage: WritableStorage, change: Change): boolean {
  if (change.op === 'flush') storage.flushSync();
  else if (change.op === 'truncate') storage.truncateSync(change.sizeBytes);
  else if (change.op === 'punch') return storage.punchHoleSync(change.offset, change.lengthBytes);
  else if (change.op === 'allocate') return storage.allocateSync(change.offset, change.lengthBytes);
  else storage.writeSync(new Uint8Array(change.lengthBytes).fill(change.fill), change.offset);
  return true;
}

async function changeLater(storage: WritableStorage, change: Change): Promise<boolean> {
  if (change.op === 'flush') await storage.flush();
  else if (change.op === 'truncate') await storage.truncate(change.sizeBytes);
  else if (change.op === 'punch') return storage.punchHole(change.offset, change.lengthBytes);
  else if (change.op === 'allocate') return storage.allocate(change.offset, change.lengthBytes);
  else await storage.write(new Uint8Array(change.lengthBytes).fill(change.fill), change.offset);
  return true;
}

/** Makes the changes, every other one synchronously, and compares after each. Returns the bytes. */
export async function expectChanges(
  storage: WritableStorage,
  content: Uint8Array,
  changes: readonly Change[],
): Promise<Uint8Array> {
  let model: Uint8Array = content.slice();
  for (const [index, change] of changes.entries()) {
    const done = index % 2 === 0 ? changeSync(storage, change) : await changeLater(storage, change);
    model = applied(model, change, done);
    expect(storage.sizeBytes).toBe(model.length);
    const all = dirty(model.length + 100);
    if (index % 3 === 0) await storage.read(all, 0);
    else storage.readSync(all, 0);
    expect(equal(all.subarray(0, model.length), model)).toBe(true);
    expect(all.subarray(model.length).every((byte) => byte === 0)).toBe(true);
  }
  return model;
}
