/** Something that reads untrusted bytes. */
import type { SeedImage } from './seed-image.ts';

export interface FuzzTarget {
  readonly name: string;
  /** What one input may allocate, garbage included, where that is more than for most. */
  readonly maxGrowthBytes?: number;
  /** Valid images, in an order that never changes. */
  seeds(): readonly SeedImage[];
  /**
   * Opens the bytes and reads all of what they hold, within bounds. May throw `DiskError`, which is
   * a refusal; anything else is a failure.
   *
   * @param choices random fractions in [0, 1) for where to read
   */
  run(bytes: Uint8Array, choices: readonly number[]): Promise<void>;
}

/** A property that does not hold although nothing was thrown. */
export class ContractViolation extends Error {
  override readonly name = 'ContractViolation';
}
