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

/** Finds decoders by id; loading one may take time, using it does not. */
export interface DecoderSet {
  /** @throws DiskError `unsupported` when there is no such decoder. */
  load(id: string): Step<Decoder>;
}
