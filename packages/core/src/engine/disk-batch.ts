/** Running a batch: reads merged into one piece of host work, the rest in the order given. */
import { DiskError } from '@diskfile/bytes';
import { checkArgument } from '../arguments.ts';
import type { BatchOperation, BatchResult } from '../disk-file.ts';
import { ParallelCalls, type Step, stepCall } from '../step.ts';
import type { MappedReader } from './mapped-reader.ts';
import type { MappedWriter } from './mapped-writer.ts';
import { asError, byteLength } from './range.ts';

type ReadOperation = BatchOperation & { readonly op: 'read' };

/** What a batch runs on; `located` adds where an error happened. */
export interface BatchTarget {
  readonly reader: MappedReader;
  readonly writer: MappedWriter | undefined;
  located(error: unknown, operation: BatchOperation): unknown;
}

const OPERATIONS = new Set<string>(['read', 'write', 'writeZeroes', 'discard', 'flush']);

/** @throws DiskError `invalid-argument` for what is no list of objects */
export function checkOperations(operations: readonly BatchOperation[]): void {
  checkArgument('submitBatch', 'operations', operations, 'list');
  for (const operation of operations) {
    checkArgument('submitBatch', 'an operation', operation, 'object');
  }
}

/**
 * The guest range that an operation touches; undefined for a flush.
 * @throws DiskError `invalid-argument` for an operation that there is not
 */
export function rangeOf(operation: BatchOperation): { offset: number; length: number } | undefined {
  if (!OPERATIONS.has(operation.op)) {
    throw new DiskError(
      'invalid-argument',
      'disk.batch-operation',
      `There is no batch operation ${JSON.stringify(operation.op)}`,
      { op: 'submitBatch', hint: `There are: ${[...OPERATIONS].join(', ')}.` },
    );
  }
  if (operation.op === 'flush') return undefined;
  const length =
    'buffer' in operation
      ? byteLength('a batch', operation.op, operation.buffer)
      : operation.lengthBytes;
  return { offset: operation.guestOffset, length };
}

/**
 * Runs operations that have been checked. Neighbouring reads are merged; neighbouring writes run
 * side by side, the write lock keeping those that overlap in order.
 */
export function* runBatch(
  operations: readonly BatchOperation[],
  target: BatchTarget,
): Step<BatchResult[]> {
  const results: BatchResult[] = [];
  for (let start = 0; start < operations.length;) {
    const kind = groupOf(operations[start]!);
    const end = kind === 'flush' ? start + 1 : endOfGroup(operations, start);
    const group = operations.slice(start, end);
    const done =
      kind === 'read'
        ? yield* readGroup(group as ReadOperation[], target)
        : yield* writeGroup(group, target);
    results.push(...done);
    start = end;
  }
  return results;
}

/** Where the run of operations of the same kind that begins at `start` ends. */
function endOfGroup(operations: readonly BatchOperation[], start: number): number {
  const kind = groupOf(operations[start]!);
  const other = operations.findIndex((next, index) => index > start && groupOf(next) !== kind);
  return other === -1 ? operations.length : other;
}

function groupOf({ op }: BatchOperation): 'read' | 'write' | 'flush' {
  return op === 'read' || op === 'flush' ? op : 'write';
}

/** Waits for the writes that came before, and keeps those that come later waiting. */
function* readGroup(
  operations: readonly ReadOperation[],
  target: BatchTarget,
): Step<BatchResult[]> {
  const guard = target.writer?.guard;
  if (guard === undefined) return yield* readAll(operations, target);
  // All enter at one time: a write that waits for some waits for all.
  const turns = operations.map(({ guestOffset, buffer }) =>
    guard.enterRead(guestOffset, guestOffset + buffer.length),
  );
  try {
    for (const turn of turns) yield* guard.turn(turn);
    return yield* readAll(operations, target);
  } finally {
    for (const turn of turns) guard.leave(turn);
  }
}

function* readAll(operations: readonly ReadOperation[], target: BatchTarget): Step<BatchResult[]> {
  const { reader } = target;
  try {
    yield* reader.readManyStep(
      operations.map(({ guestOffset, buffer }) => ({ guestOffset, dst: buffer })),
    );
    return operations.map(() => ({ error: undefined }));
  } catch {
    // Merged host work cannot say whose part failed, so each operation now runs by itself.
  }
  const results: BatchResult[] = [];
  for (const operation of operations) {
    results.push(
      yield* outcome(operation, target, () =>
        reader.readStep(operation.buffer, operation.guestOffset),
      ),
    );
  }
  return results;
}

function* writeGroup(
  operations: readonly BatchOperation[],
  target: BatchTarget,
): Step<BatchResult[]> {
  const results: BatchResult[] = [];
  yield new ParallelCalls(
    operations.map((operation, index) =>
      stepCall(function* () {
        results[index] = yield* outcome(operation, target, () => performWrite(operation, target));
      }),
    ),
  );
  return results;
}

function* performWrite(operation: BatchOperation, { writer }: BatchTarget): Step<void> {
  if (writer === undefined) {
    if (operation.op === 'flush') return;
    throw new Error('assertion failed: a batch of writes, no writer');
  }
  if (operation.op === 'write') {
    const { buffer, guestOffset, compressed = false } = operation;
    yield* (compressed ? writer.compressing() : writer).writeStep(buffer, guestOffset);
  } else if (operation.op === 'flush') yield* writer.flushStep();
  else if (operation.op === 'discard') {
    yield* writer.discardStep(operation.guestOffset, operation.lengthBytes);
  } else if (operation.op === 'writeZeroes') {
    yield* writer.writeZeroesStep(operation.guestOffset, operation.lengthBytes, operation);
  }
}

function* outcome(
  operation: BatchOperation,
  target: BatchTarget,
  body: () => Step<void>,
): Step<BatchResult> {
  try {
    yield* body();
    return { error: undefined };
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    return { error: asError(target.located(error, operation)) };
  }
}
