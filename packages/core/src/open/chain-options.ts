/** How a chain of images is to be opened. */
import type { DecoderSet } from '../decoder.ts';
import type { DiskWarning } from '../format/disk-warning.ts';
import type { FormatDriver, FormatTuning } from '../format/format-driver.ts';
import type { Limits } from '../limits.ts';
import type { Step } from '../step.ts';
import type { Storage } from '../storage.ts';
import type { OpenGate } from './gate.ts';
import type { BackingReference } from './reference.ts';

export interface OpenChainOptions {
  readonly drivers: readonly FormatDriver[];
  readonly decoders: DecoderSet;
  readonly gate: OpenGate;
  readonly limits: Limits;
  /** Format of the first image; probed when undefined, never overridden when given. */
  readonly format: string | undefined;
  readonly snapshot: string | undefined;
  /** What the images are encrypted with, the first one's first. */
  readonly passphrases?: readonly (Uint8Array | undefined)[];
  /** What {@link ParsedName.secret} means: for images below that have no passphrase of their own. */
  readonly secrets?: ReadonlyMap<string, Uint8Array> | undefined;
  /** Of the first image; `asQemu` counts for all. */
  readonly tuning?: FormatTuning | undefined;
  /** Which disk of a file that holds several; the first one when left out. */
  readonly disk?: string;
  /** Whether the first image is to be written. */
  readonly writable: boolean;
  /** Depth of one image below it that is to be written as well; all others are only ever read. */
  readonly writableDepth?: number;
  /** False to open the first image alone, whatever backing file it names. */
  readonly followBacking: boolean;
  /** Gets what there is to warn of, for as long as the disk is open. */
  readonly warnings?: DiskWarning[];
  /** Goes before what the first image says of the one below it; null for none below it. */
  readonly below?: ImageBelow | null | undefined;
}

/** An image that the caller puts below another one, whatever that one names. */
export interface ImageBelow {
  /**
   * The chain owns the storage. `reference` is what the image above says, if anything; the image is
   * written where `writable` says so.
   */
  open(namedBy: Storage, reference: BackingReference | undefined, writable: boolean): Step<Storage>;
  /** As in {@link OpenChainOptions}. */
  readonly format: string | undefined;
  /** What lies below this one in turn. */
  readonly below?: ImageBelow | null | undefined;
}
