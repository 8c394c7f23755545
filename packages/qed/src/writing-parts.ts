/** What the parts of a writer work on together. */
import type { WritableStorage } from '@diskfile/core';
import type { WritableQedTable } from './cluster-table.ts';
import type { HeaderState } from './header-state.ts';

export interface QedWritingParts {
  readonly storage: WritableStorage;
  readonly state: HeaderState;
  readonly table: WritableQedTable;
  /** See `OpenContext.hasBelow`. */
  readonly hasBelow: boolean | undefined;
}
