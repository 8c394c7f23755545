/** Which parts of a file grains of a disk take, to notice when two want the same. */
import { SECTOR_BYTES } from './structs.ts';

/** Slots that share one array, so that memory goes with the grains there are. */
const SLOTS_PER_PAGE = 4096;

export class GrainPlaces {
  readonly #grainSectors: number;
  /**
   * For each stretch of the file as long as a grain: how many sectors into it a grain begins, plus
   * one. Two that begin in one stretch overlap.
   */
  readonly #pages = new Map<number, Uint32Array>();

  constructor(grainBytes: number) {
    this.#grainSectors = grainBytes / SECTOR_BYTES;
  }

  /** @returns false when the grain shares bytes with one that was added before */
  add(hostOffset: number): boolean {
    const sector = hostOffset / SECTOR_BYTES;
    const slot = Math.floor(sector / this.#grainSectors);
    const begin = (sector % this.#grainSectors) + 1;
    const next = this.#beginIn(slot + 1);
    const isFree =
      this.#beginIn(slot) === 0 &&
      this.#beginIn(slot - 1) <= begin &&
      (next === 0 || next >= begin);
    this.#set(slot, begin);
    return isFree;
  }

  /** 0 where none begins. */
  #beginIn(slot: number): number {
    return this.#pages.get(Math.floor(slot / SLOTS_PER_PAGE))?.[slot % SLOTS_PER_PAGE] ?? 0;
  }

  #set(slot: number, begin: number): void {
    const index = Math.floor(slot / SLOTS_PER_PAGE);
    const page = this.#pages.get(index) ?? new Uint32Array(SLOTS_PER_PAGE);
    page[slot % SLOTS_PER_PAGE] = begin;
    this.#pages.set(index, page);
  }
}
