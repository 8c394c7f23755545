/**
 * Sectors of which requests in flight change different parts. Which of these is done first is up to
 * the host, so that such a sector may show the later one without the earlier.
 */
import type { GuestWindow } from '../model/disk-model.ts';
import { SECTOR_BYTES } from '../model/mismatch.ts';

export class SharedSectors {
  readonly #inPart = new Map<number, number>();

  add(windows: readonly GuestWindow[]): void {
    for (const sector of sectorsInPart(windows)) {
      this.#inPart.set(sector, (this.#inPart.get(sector) ?? 0) + 1);
    }
  }

  has(sector: number): boolean {
    return (this.#inPart.get(sector) ?? 0) > 1;
  }

  /** Whether further changes would make sectors shared. */
  wouldShare(windows: readonly GuestWindow[]): boolean {
    return sectorsInPart(windows).some((sector) => this.#inPart.has(sector));
  }
}

function sectorsInPart(windows: readonly GuestWindow[]): number[] {
  return windows
    .flatMap(({ guestOffset, lengthBytes }) => [guestOffset, guestOffset + lengthBytes])
    .filter((at) => at % SECTOR_BYTES !== 0)
    .map((at) => Math.floor(at / SECTOR_BYTES));
}
