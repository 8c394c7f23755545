/** The writing half of an image: clusters by its tables, and what changes its header. */
import type { DiskError } from '@diskfile/bytes';
import {
  type BackingReference,
  type BackingWriter,
  BlockWriter,
  type ImageResizer,
  type Step,
} from '@diskfile/core';
import { checkBackingName } from './backing-name.ts';
import { refused } from './errors.ts';
import { type QedHeader, tableBytes } from './header.ts';
import { QedResizer } from './resizer.ts';
import type { QedWritingParts } from './writing-parts.ts';

export class QedWriter extends BlockWriter {
  readonly resizer: ImageResizer;
  readonly backing: BackingWriter;
  readonly #parts: QedWritingParts;

  constructor(parts: QedWritingParts) {
    super(parts.table, {
      hasBelow: parts.hasBelow,
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
      dropContent: () => parts.table.dropContent(emptyEnd(parts.state.header)),
    };
  }

  override *flush(): Step<void> {
    yield* super.flush();
    yield* this.#parts.state.settle(this.#parts.storage);
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
}

/** Behind the L1 table, where that of an empty image is the last thing. */
function emptyEnd(header: QedHeader): number {
  return header.l1Offset + tableBytes(header);
}

function unknownLayout(): DiskError {
  return refused(
    'unsupported',
    'qed.compat-features',
    'The image uses features that are not known, so it is not known where a name may lie',
    'Use the program that made it.',
  );
}
