/** What all work on chains of images can be told. */
import type { DiskWarning, FormatDriver, Limits, OpenGate, OptionKinds } from '@diskfile/core';
import type { HostGateOptions } from '@diskfile/storage';
import type { UserObjects } from '../graph/user-objects.ts';
import type { Passphrases, Secrets } from '../open/passphrases.ts';

export interface ChainProgress {
  /** Guest bytes that have been dealt with. */
  readonly doneBytes: number;
  readonly totalBytes: number;
}

export interface ChainOptions {
  /** Format of the image; probed when left out. */
  readonly format?: string;
  /**
   * As for `openDiskFile()`: which files the images may name, and with that also which of them may
   * be written, where the work writes an image below.
   */
  readonly gate?: HostGateOptions | OpenGate;
  /** Reads the images below although another process may be writing them. */
  readonly forceShare?: boolean;
  /** Opens the image if it is encrypted, or every image of its chain that is. */
  readonly passphrase?: Passphrases;
  /** As for `openDiskFile()`. */
  readonly secrets?: Secrets;
  /** The secrets and other objects that an image may refer to that is given by a graph. */
  readonly objects?: UserObjects;
  /** As for `openDiskFile()`. */
  readonly asQemu?: boolean;
  readonly limits?: Partial<Limits>;
  /** Formats to choose from; by default all. */
  readonly formats?: readonly FormatDriver[];
  /** Called now and then, and once at the end. */
  readonly onProgress?: (progress: ChainProgress) => void;
  /** Calls the work off. The images then are as after a loss of power: whole, and read the same. */
  readonly signal?: AbortSignal;
}

/** What each option is to be. */
export const CHAIN_KINDS: OptionKinds<ChainOptions> = {
  format: 'text',
  gate: 'gate',
  forceShare: 'flag',
  passphrase: 'passphrases',
  secrets: 'secrets',
  objects: 'object',
  asQemu: 'flag',
  limits: 'object',
  formats: 'drivers',
  onProgress: 'callback',
  signal: 'signal',
};

export interface ChainResult {
  /** What was noticed and did not stand in the way. */
  readonly warnings: readonly DiskWarning[];
}
