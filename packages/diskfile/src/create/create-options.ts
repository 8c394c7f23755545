/** What a new image is to be. */
import {
  checkFields,
  type FormatDriver,
  type Limits,
  type OpenGate,
  type OptionKinds,
} from '@diskfile/core';
import type { HostGateOptions } from '@diskfile/storage';
import type { Passphrase, Secrets } from '../open/passphrases.ts';

export interface CreateDiskFileOptions {
  readonly format: string;
  /**
   * Virtual size in bytes, rounded up to whole sectors of 512 bytes, and for VHD to the next size
   * that its geometry can express, as QEMU does (unless `options` has `force_size`). May be left out
   * where there is a backing image, which then gives its own.
   */
  readonly sizeBytes?: number;
  /** The image below. Its name is stored as it stands; relative ones count from the new image. */
  readonly backing?: {
    readonly name: string;
    /** Its format; found out and stored when left out, so that it is never guessed again. */
    readonly format?: string;
  };
  /** What the format alone knows, under the names that qemu-img gives with `-o`. */
  readonly options?: Readonly<Record<string, string | number | boolean>>;
  /** What to encrypt the image with; its format or its options have to say that it is encrypted. */
  readonly passphrase?: Passphrase;
  /** As for `openDiskFile()`: what opens the images below, where the disk is filled over them. */
  readonly secrets?: Secrets;
  /**
   * Whether a file that is there may be replaced. It stays as it was if creating fails, but for a
   * block device, and a file in whose place the host puts no other: they are written where they are.
   */
  readonly overwrite?: boolean;
  /**
   * Whether the image survives a loss of power from the moment that it has its name; false to leave
   * that to the host. Default true.
   */
  readonly durable?: boolean;
  /** As for `openDiskFile()`: which backing images may be looked into. */
  readonly gate?: HostGateOptions | OpenGate;
  /** Looks into a backing image although another process may be writing it. */
  readonly forceShare?: boolean;
  readonly limits?: Partial<Limits>;
  /** Calls the work off; only what is created asynchronously can be. */
  readonly signal?: AbortSignal;
  /** Formats to choose from; by default all. */
  readonly formats?: readonly FormatDriver[];
}

export const CREATING_KINDS: OptionKinds<CreateDiskFileOptions> = {
  format: 'text',
  sizeBytes: 'any',
  backing: 'object',
  options: 'formatOptions',
  passphrase: 'passphrase',
  secrets: 'secrets',
  overwrite: 'flag',
  durable: 'flag',
  gate: 'gate',
  forceShare: 'flag',
  limits: 'object',
  signal: 'signal',
  formats: 'drivers',
};

/** @throws DiskError `invalid-argument` unless it is left out, or has a name */
export function checkBacking(op: string, backing: CreateDiskFileOptions['backing']): void {
  if (backing === undefined) return;
  checkFields(op, backing, { name: 'text', format: 'text' }, ['name'], 'backing');
}
