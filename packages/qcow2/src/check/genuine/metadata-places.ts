/** Which metadata lies where, so that a repair does not write one over the other. */
import { writeU32be } from '@diskfile/bytes';
import { isWritable, type Step, type Storage, writeBytes } from '@diskfile/core';
import { featureWord, INCOMPATIBLE } from '../../header/features.ts';
import type { Qcow2Header } from '../../header/header.ts';
import { headerV2, headerV3 } from '../../structs.ts';
import type { Transcript } from './transcript.ts';
import { TooMuchWork, type WorkBudget } from './work-budget.ts';

/** What a cluster that is kept takes in memory, about. */
const KEPT_BYTES = 64;

export interface MetadataPlace {
  readonly what: string;
  readonly hostOffset: number;
  readonly lengthBytes: number;
}

export class MetadataPlaces {
  #isMarked = false;
  readonly #storage: Storage;
  readonly #header: Qcow2Header;
  readonly #budget: WorkBudget;
  readonly #maxKept: number;
  /** What each cluster holds, in the order in which QEMU looks. */
  #byCluster = new Map<number, string[]>();

  constructor(storage: Storage, header: Qcow2Header, budget: WorkBudget, maxBytes: number) {
    this.#storage = storage;
    this.#header = header;
    this.#budget = budget;
    this.#maxKept = maxBytes / KEPT_BYTES;
  }

  /**
   * @param places in the order in which QEMU looks; what the file cannot hold is left out
   * @throws TooMuchWork when they take too much memory
   */
  set(places: Iterable<MetadataPlace>): void {
    const { clusterBytes } = this.#header;
    const { sizeBytes } = this.#storage;
    this.#byCluster = new Map();
    for (const { what, hostOffset, lengthBytes } of places) {
      const end = Math.min(hostOffset + lengthBytes, sizeBytes);
      for (let at = hostOffset - (hostOffset % clusterBytes); at < end; at += clusterBytes) {
        this.#budget.spend(1);
        const known = this.#byCluster.get(at / clusterBytes);
        if (known === undefined) this.#keep(at / clusterBytes, what);
        else if (!known.includes(what)) known.push(what);
      }
    }
  }

  #keep(cluster: number, what: string): void {
    if (this.#byCluster.size >= this.#maxKept) throw new TooMuchWork('Too many tables');
    this.#byCluster.set(cluster, [what]);
  }

  /** What lies there besides what may. */
  at(hostOffset: number, allowed?: string): string | undefined {
    const cluster = Math.floor(hostOffset / this.#header.clusterBytes);
    return this.#byCluster.get(cluster)?.find((what) => what !== allowed);
  }

  /** Something would be written over `what`: the image is marked as corrupt. */
  *markCorrupt(what: string, transcript: Transcript): Step<void> {
    yield* this.noteDamage(
      `Preventing invalid write on metadata (overlaps with ${what})`,
      transcript,
      true,
    );
  }

  /** Says once that the image is corrupt, and marks it as such where it is being mended. */
  *noteDamage(damage: string, transcript: Transcript, isMended: boolean): Step<void> {
    if (this.#isMarked) return;
    this.#isMarked = true;
    transcript.say(
      isMended
        ? `qcow2: Marking image as corrupt: ${damage}; further corruption events will be suppressed`
        : `qcow2: Image is corrupt: ${damage}; further non-fatal corruption events will be suppressed`,
    );
    if (!isMended) return;
    const { version, features } = this.#header;
    if (version === 2 || !isWritable(this.#storage)) return;
    const bits = new Set([...features.incompatible, INCOMPATIBLE.corrupt]);
    const bytes = new Uint8Array(4);
    writeU32be(bytes, 0, featureWord(bits, 0));
    const field = headerV3.offsetOf('incompatible_features_low');
    yield* writeBytes(this.#storage, bytes, headerV2.spanBytes + field);
  }
}
