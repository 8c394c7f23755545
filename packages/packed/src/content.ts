/** What the driver of every kind of packing has to find out. */
import type { DecoderSet, DiskWarning, FormatDetails, Limits, Step, Storage } from '@diskfile/core';

export interface PackedSource {
  readonly storage: Storage;
  readonly decoders: DecoderSet;
  readonly limits: Limits;
  warn(warning: DiskWarning): void;
}

/** The content, ready to be read. */
export interface Content {
  readonly storage: Storage;
  readonly details: FormatDetails;
}

export type OpenContent = (source: PackedSource) => Step<Content>;
