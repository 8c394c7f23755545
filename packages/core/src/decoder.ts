/** How encoded clusters become guest bytes. The engine calls decoders; `codec` provides them. */
import type { Step } from './step.ts';

export interface Decoder {
  /** `deflate-raw`, `zstd` … */
  readonly id: string;
  /**
   * Fills `dst` exactly. What follows the encoded stream in `src` is ignored.
   * @throws DiskError `corrupt` when the stream is broken or yields fewer bytes than `dst` holds.
   */
  decodeSync(src: Uint8Array, dst: Uint8Array): void;
  decode(src: Uint8Array, dst: Uint8Array): Promise<void>;
}

/** A place within a stream at which decoding can begin. */
export interface StreamCheckpoint {
  /** What it takes in memory. */
  readonly sizeBytes: number;
}

/** Decodes one stream whose length need not be known, piece by piece. */
export interface StreamDecoder {
  /** Bytes that the last {@link decode} took from `src`. */
  readonly takenBytes: number;
  /** Bytes that the last {@link decode} put into `dst`. */
  readonly filledBytes: number;
  /** Whether the stream has ended. What follows it was not taken. */
  readonly isAtEnd: boolean;
  /**
   * Goes on with more input, until that is used up, `dst` is full, or the stream has a place for a
   * checkpoint. Taking and filling nothing means that it needs more input.
   * @throws DiskError `corrupt` when the stream is broken
   */
  decode(src: Uint8Array, dst: Uint8Array): void;
  /**
   * Right behind what has been decoded, when decoding can go on there: with the input that comes
   * next. Undefined at most places, and always with codecs that cannot do so.
   */
  checkpoint(): StreamCheckpoint | undefined;
  /** Gives back what it holds beside the JavaScript heap. */
  close(): void;
}

export interface StreamCodec {
  readonly id: string;
  /** A decoder for one stream, from its start or from a checkpoint of a decoder of this codec. */
  start(from?: StreamCheckpoint): Step<StreamDecoder>;
}

/** Finds decoders by id; loading one may take time, using it does not. */
export interface DecoderSet {
  /** @throws DiskError `unsupported` when there is no such decoder. */
  load(id: string): Step<Decoder>;
  /** @throws DiskError `unsupported` when there is no such decoder for streams. */
  loadStream(id: string): Step<StreamCodec>;
}

/** For images that have nothing to decode: it is never asked. */
export const noDecoders: DecoderSet = {
  load: refuseDecoder,
  loadStream: refuseDecoder,
};

function refuseDecoder(id: string): never {
  throw new Error(`assertion failed: nothing is decoded here, not even by ${id}`);
}
