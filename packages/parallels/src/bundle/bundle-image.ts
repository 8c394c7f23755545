/** A disk of several files as a map: ranges one behind the other, in each images over one another. */
import type { Extent, FormatDetails, FormatImage, Step, Storage, Topology } from '@diskfile/core';
import { SECTOR_BYTES } from '../structs.ts';
import type { Layer } from './layers.ts';

export interface BundleDetails extends FormatDetails {
  /** GUIDs of the images that are read, the uppermost first. */
  readonly images: readonly string[];
  /** GUIDs of all images, any of which `snapshot` opens. */
  readonly snapshots: readonly string[];
  readonly storages: number;
}

export interface BundleRange {
  readonly start: number;
  readonly end: number;
  /** The uppermost first. */
  readonly layers: readonly Layer[];
}

export interface BundleParts {
  readonly ranges: readonly BundleRange[];
  /** The descriptor's, then all others. */
  readonly storages: readonly Storage[];
  readonly details: BundleDetails;
}

export class BundleImage implements FormatImage {
  readonly format = 'parallels';
  readonly sizeBytes: number;
  readonly topology: Topology;
  readonly backing = undefined;
  readonly dataMayBeSparse: boolean;
  readonly storages: readonly Storage[];
  readonly #ranges: readonly BundleRange[];
  readonly #details: BundleDetails;
  /** Where the last lookup was, since neighbours follow. */
  #last = 0;

  constructor({ ranges, storages, details }: BundleParts) {
    const clusters = ranges.flatMap(({ layers }) => layers.map(({ clusterBytes }) => clusterBytes));
    this.sizeBytes = ranges.at(-1)?.end ?? 0;
    this.topology = {
      logicalSectorBytes: SECTOR_BYTES,
      physicalSectorBytes: SECTOR_BYTES,
      clusterBytes: Math.min(...clusters, this.sizeBytes || 1),
    };
    this.dataMayBeSparse = clusters.includes(1);
    this.storages = storages;
    this.#ranges = ranges;
    this.#details = details;
  }

  lookup(guestOffset: number, lengthBytes: number, extent: Extent): boolean {
    const { layers, start, end } = this.#at(guestOffset);
    let within = Math.min(lengthBytes, end - guestOffset);
    for (const layer of layers) {
      if (!layer.lookup(guestOffset - start, within, extent)) return false;
      if (extent.kind !== 'backing') return true;
      within = extent.lengthBytes;
    }
    return true;
  }

  *load(guestOffset: number): Step<void> {
    const { layers, start } = this.#at(guestOffset);
    for (const layer of layers) yield* layer.load(guestOffset - start);
  }

  #at(guestOffset: number): BundleRange {
    const last = this.#ranges[this.#last]!;
    if (guestOffset >= last.start && guestOffset < last.end) return last;
    let low = 0;
    let high = this.#ranges.length - 1;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (this.#ranges[middle]!.end <= guestOffset) low = middle + 1;
      else high = middle;
    }
    this.#last = low;
    return this.#ranges[low]!;
  }

  details(): BundleDetails {
    return this.#details;
  }
}
