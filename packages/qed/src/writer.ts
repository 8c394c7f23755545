/** The writing half of an image: clusters by its tables, and what changes its header. */
import { DiskError } from '@diskfile/bytes';
import {
  type BackingReference,
  type BackingWriter,
  BlockWriter,
  flushStorage,
  type ImageResizer,
  type Step,
  writeZeros,
} from '@diskfile/core';
import { checkBackingName } from './backing-name.ts';
import type { WritableQedTable } from './cluster-table.ts';
import { refused } from './errors.ts';
import { tableBytes } from './header.ts';
import { QedResizer } from './resizer.ts';
import type { QedWritingParts } from './writing-parts.ts';

export class QedWriter extends BlockWriter {
  readonly resizer: ImageResizer;
  readonly backing: BackingWriter;
  readonly #parts: QedWritingParts;
  /** `dropped`: all clusters have been given up, and reads may still be looking at them. */
  #content: 'kept' | 'dropped' | 'gone' = 'kept';

  constructor(parts: QedWritingParts) {
    super(parts.table, {
      get hasBacking() {
        return parts.state.backing !== undefined;
      },
      // As far as one L2 table reaches, new clusters lie together and before a new table.
      maxAllocationBytes: Infinity,
    });
    this.#parts = parts;
    this.resizer = new QedResizer(parts);
    this.backing = {
      setBacking: (backing) => this.#setBacking(backing),
      dropContent: () => this.#dropContent(),
    };
  }

  /** What was copied out of the old chain is durable before the header turns away from it. */
  *#setBacking(backing: BackingReference | undefined): Step<void> {
    const { storage, state, table } = this.#parts;
    if (backing !== undefined) {
      checkBackingName(backing);
      if (state.header.compatFeatures.some((half) => half !== 0)) throw unknownLayout();
    }
    yield* table.flush();
    yield* state.setBacking(storage, backing);
  }

  /** Names no cluster any more. Where that fails, the file alone knows which are left. */
  *#dropContent(): Step<void> {
    const { storage, state, table } = this.#parts;
    const { header } = state;
    try {
      yield* writeZeros(storage, header.l1Offset, tableBytes(header));
      yield* flushStorage(storage);
      this.#content = 'dropped';
    } finally {
      table.forget();
    }
  }

  /** Nobody looks at what was dropped before the flush. */
  override reclaim(): void {
    if (this.#content !== 'dropped') return;
    this.#content = 'gone';
    const { state, table } = this.#parts;
    table.startAnew(state.header.l1Offset + tableBytes(state.header));
  }

  override *close(): Step<void> {
    if (this.#content === 'gone') yield* cutQuietly(this.#parts.table);
    yield* super.close();
  }
}

/** What the host refuses costs space, no more. */
function* cutQuietly(table: WritableQedTable): Step<void> {
  try {
    yield* table.cutFile();
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
  }
}

function unknownLayout(): DiskError {
  return refused(
    'unsupported',
    'qed.compat-features',
    'The image uses features that are not known, so it is not known where a name may lie',
    'Use the program that made it.',
  );
}
