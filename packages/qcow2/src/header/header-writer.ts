/**
 * Changes to the header. Everything that decides what the image is lies in its first sector, which
 * a host writes whole or not at all; what lies beyond (long names) is first written to a place that
 * the header in the file does not use. So each change takes effect at one instant.
 */
import { decodeName, DiskError } from '@diskfile/bytes';
import {
  type BackingReference,
  flushStorage,
  readBytes,
  type Step,
  type WritableStorage,
  writeBytes,
} from '@diskfile/core';
import { corrupt, hex } from '../errors.ts';
import { AUTOCLEAR, INCOMPATIBLE } from './features.ts';
import {
  decodeHeaderContent,
  extensionsEndOf,
  type HeaderContent,
  type HeaderLayout,
  layOutHeader,
} from './header-content.ts';
import { decodeExtensions, type HeaderExtensions, splitExtensions } from './header-extensions.ts';
import {
  asRewritten,
  namesTooLong,
  withFeatures,
  withoutFeatureNames,
  withUnknownReversed,
} from './header-forms.ts';
import { HEADER_FIELDS_BYTES, parseHeader, type Qcow2Header } from './header.ts';

const SECTOR_BYTES = 512;

export class HeaderWriter {
  readonly #storage: WritableStorage;
  #header: Qcow2Header;
  #content: HeaderContent;
  #layout: HeaderLayout;
  /** Set when a write failed: the file may hold the header of before, or the one that was meant. */
  #uncertain = false;
  #givenUp = false;
  #corrupt = false;
  /** Whether {@link #inOrder} has been written. */
  #isInOrder = false;

  /** @param cluster the header cluster */
  constructor(storage: WritableStorage, cluster: Uint8Array) {
    this.#storage = storage;
    this.#header = parseHeader(cluster);
    this.#content = decodeHeaderContent(cluster);
    const { backingName, extensionsEnd } = this.#header;
    this.#layout = {
      bytes: cluster.slice(0, usedBytes(this.#content, backingName)),
      extensionsEnd: Math.min(extensionsEndOf(this.#content), extensionsEnd),
      nameOffset: backingName?.offset ?? 0,
    };
  }

  static *read(storage: WritableStorage, { clusterBytes }: Qcow2Header): Step<HeaderWriter> {
    return new HeaderWriter(storage, yield* readBytes(storage, 0, clusterBytes));
  }

  /** The header as the image has it now. */
  get header(): Qcow2Header {
    return this.#header;
  }

  get extensions(): HeaderExtensions {
    const { bytes, extensionsEnd } = this.#layout;
    const { headerLengthBytes, encryption } = this.#header;
    return decodeExtensions(splitExtensions(bytes, headerLengthBytes, extensionsEnd)!, encryption);
  }

  /** The image below, as the header names it. */
  get backing(): BackingReference | undefined {
    const { backingName } = this.#content;
    if (backingName === undefined) return undefined;
    return { name: decodeName(backingName), format: this.extensions.backingFormat };
  }

  /** Whether an overlap was met: nothing may be written any more. */
  get isCorrupt(): boolean {
    return this.#corrupt;
  }

  /** Whether a change failed half way: until {@link settle}, the file may have what was meant. */
  get isUncertain(): boolean {
    return this.#uncertain;
  }

  /** Whether the file is left as it is, dirty: nobody can say any more what it holds where. */
  get isGivenUp(): boolean {
    return this.#givenUp;
  }

  giveUp(): void {
    this.#givenUp = true;
  }

  get isDirty(): boolean {
    return this.#header.features.incompatible.has(INCOMPATIBLE.dirty);
  }

  /**
   * Replaces the header by what `change` makes of it, durable when it returns. When this fails the
   * header of before holds, and {@link settle} makes that true of the file as well: until then
   * nothing that the new header names may be used for anything else.
   */
  *update(change: (content: HeaderContent) => HeaderContent): Step<void> {
    yield* this.#replace(change(this.#content), 'anywhere');
  }

  /**
   * The same, with all of the header in the form in which QEMU writes it; where nothing but its own
   * form leaves the header in the file whole until then, in that.
   */
  *rewrite(change: (content: HeaderContent) => HeaderContent): Step<void> {
    const { clusterBytes } = this.#header;
    const asItIs = change(this.#content);
    yield* this.#replace(asRewritten(change(this.#inOrder()), clusterBytes), 'packed', asItIs);
    this.#isInOrder ||= this.#content !== asItIs;
  }

  /** QEMU finds extensions that it does not know in the reverse of their order, and keeps that. */
  #inOrder(): HeaderContent {
    return this.#isInOrder ? this.#content : withUnknownReversed(this.#content);
  }

  /**
   * @param place of the backing name: right behind the extensions, or also where it is, or behind
   *   all that the header in the file uses
   * @param asItIs says the same and takes its place where that alone is safe
   */
  *#replace(
    content: HeaderContent,
    place: 'packed' | 'anywhere',
    asItIs: HeaderContent = content,
  ): Step<void> {
    const keepsCurrent = (layout: HeaderLayout) => this.#keepsCurrent(layout);
    const direct = this.#layouts(content, place).find(keepsCurrent);
    if (direct !== undefined) return yield* this.#switchTo(content, direct);
    const laidOut = (form: HeaderContent) =>
      this.#layouts(form, 'anywhere').map((layout) => ({ content: form, layout }));
    const all = [content, withoutFeatureNames(content)].flatMap(laidOut);
    const safe = [...all, ...laidOut(asItIs)].filter(({ layout }) => keepsCurrent(layout));
    const short = safe.findLast(({ layout }) => layout.bytes.length <= SECTOR_BYTES);
    const next = short ?? safe[0] ?? all.at(-1);
    if (next === undefined) throw namesTooLong(this.#header.clusterBytes);
    yield* this.#switchTo(next.content, next.layout);
    // Now that the header is a short one, there may be room for all of it.
    const whole = this.#layouts(content, place).find(keepsCurrent);
    if (whole !== undefined) yield* this.#tidy(() => this.#switchTo(content, whole));
  }

  *#switchTo(content: HeaderContent, layout: HeaderLayout): Step<void> {
    const cluster = new Uint8Array(Math.max(this.#header.clusterBytes, HEADER_FIELDS_BYTES));
    cluster.set(layout.bytes);
    const header = parseHeader(cluster);
    try {
      yield* this.#write(layout);
    } catch (error) {
      this.#uncertain = true;
      throw error;
    }
    const usedBefore = this.#layout.bytes.length;
    this.#header = header;
    this.#content = content;
    this.#layout = layout;
    yield* this.#tidy(() => this.#clearFrom(layout.bytes.length, usedBefore));
  }

  /** What lies behind the header is nothing any more. */
  *#clearFrom(end: number, usedBefore: number): Step<void> {
    const from = Math.max(end, SECTOR_BYTES);
    if (from >= usedBefore) return;
    yield* writeBytes(this.#storage, new Uint8Array(usedBefore - from), from);
  }

  /** Does what changes nothing of what the header says, and may be left undone. */
  *#tidy(work: () => Step<void>): Step<void> {
    try {
      yield* work();
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
    }
  }

  /** Writes the header once more when an earlier attempt to change it failed. */
  *settle(): Step<void> {
    if (!this.#uncertain) return;
    yield* writeBytes(this.#storage, firstSector(this.#layout.bytes), 0);
    yield* flushStorage(this.#storage);
    this.#uncertain = false;
  }

  #layouts(content: HeaderContent, place: 'packed' | 'anywhere'): HeaderLayout[] {
    const extensionsEnd = extensionsEndOf(content);
    const nameBytes = content.backingName?.length ?? 0;
    const sameName = content.backingName === this.#content.backingName;
    const kept = sameName ? this.#layout.nameOffset : 0;
    const behind = Math.max(extensionsEnd, this.#layout.bytes.length);
    // From there, the name can still go right behind the extensions.
    const apart = Math.max(extensionsEnd + nameBytes, behind);
    const places = place === 'packed' ? [extensionsEnd] : [kept, extensionsEnd, apart, behind];
    return places
      .filter((at) => at >= extensionsEnd && at + nameBytes <= this.#header.clusterBytes)
      .map((at) => this.#withGap(layOutHeader(content, at)));
  }

  /** Leaves what lies between extensions and name as it is in the file. */
  #withGap(layout: HeaderLayout): HeaderLayout {
    const { bytes, extensionsEnd, nameOffset } = layout;
    const from = Math.max(extensionsEnd, SECTOR_BYTES);
    const to = Math.min(nameOffset, bytes.length);
    if (to > from) bytes.set(this.#layout.bytes.subarray(from, to), from);
    return layout;
  }

  /** Whether what lies beyond the first sector can be written without harm to the header of now. */
  #keepsCurrent({ bytes }: HeaderLayout): boolean {
    const { bytes: current, extensionsEnd, nameOffset } = this.#layout;
    const isUsed = (at: number) =>
      at < extensionsEnd || (this.#content.backingName !== undefined && at >= nameOffset);
    for (let at = SECTOR_BYTES; at < Math.min(bytes.length, current.length); at++) {
      if (isUsed(at) && bytes[at] !== current[at]) return false;
    }
    return true;
  }

  *#write({ bytes }: HeaderLayout): Step<void> {
    const { bytes: current } = this.#layout;
    const rest = bytes.subarray(SECTOR_BYTES);
    const same = rest.every((byte, at) => byte === current[SECTOR_BYTES + at]);
    if (!same || this.#uncertain) {
      yield* this.settle();
      yield* writeBytes(this.#storage, rest, SECTOR_BYTES);
      yield* flushStorage(this.#storage);
    }
    yield* writeBytes(this.#storage, firstSector(bytes), 0);
    yield* flushStorage(this.#storage);
  }

  /** Says whether refcounts may be out of date (specification, "Header": dirty bit). */
  *setDirty(dirty: boolean): Step<void> {
    const bits = new Set(this.#header.features.incompatible);
    if (!dirty) {
      bits.delete(INCOMPATIBLE.dirty);
      yield* this.rewrite((content) => withFeatures(content, 'incompatible', bits));
      return;
    }
    bits.add(INCOMPATIBLE.dirty);
    yield* this.update((content) => withFeatures(content, 'incompatible', bits));
  }

  /**
   * Marks the image as corrupt, so that nobody writes to it before it is repaired. Version 2 has no
   * such mark; there it holds for as long as the image is open.
   */
  *markCorrupt(): Step<void> {
    this.#corrupt = true;
    if (this.#header.version !== 3) return;
    const bits = new Set([...this.#header.features.incompatible, INCOMPATIBLE.corrupt]);
    yield* this.rewrite((content) => withFeatures(content, 'incompatible', bits));
  }

  /** Refuses to write over metadata. */
  *refuseOverlap(what: string, hostOffset: number): Step<never> {
    const message = `Writing at ${hex(hostOffset)} would overwrite the image's own ${what}`;
    return yield* this.refuse('qcow2.overlap', message, hostOffset);
  }

  /** Refuses to use the cluster of the header, which counts as free. */
  *refuseHeaderCluster(use: string | undefined): Step<never> {
    if (use === undefined) return yield* this.refuseOverlap('header', 0);
    const message = `The header's cluster counts as free and would become a ${use}`;
    return yield* this.refuse('qcow2.header-cluster-free', message, 0);
  }

  /** Marks the image as corrupt, and says why. */
  *refuse(detail: string, message: string, hostOffset: number): Step<never> {
    let cause: unknown;
    try {
      yield* this.markCorrupt();
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      cause = error;
    }
    throw corrupt(detail, message, {
      offset: hostOffset,
      ...(cause === undefined ? {} : { cause }),
    });
  }

  /**
   * Clears the autoclear bits of features that writing here does not keep up (specification,
   * "Header": autoclear_features).
   * @param kept bits that stay where they are set, besides that of a raw data file
   */
  *clearAutoclear(kept: readonly number[]): Step<void> {
    const { autoclear } = this.#header.features;
    const left = [AUTOCLEAR.rawExternalData, ...kept].filter((bit) => autoclear.has(bit));
    if (left.length === autoclear.size) return;
    yield* this.rewrite((content) => withFeatures(content, 'autoclear', new Set(left)));
  }

  *setRefcountTable(hostOffset: number, clusters: number): Step<void> {
    const place = { refcount_table_offset: hostOffset, refcount_table_clusters: clusters };
    yield* this.update(({ fields, ...rest }) => ({ ...rest, fields: { ...fields, ...place } }));
  }
}

function usedBytes(content: HeaderContent, name: Qcow2Header['backingName']): number {
  const nameEnd = name === undefined ? 0 : name.offset + name.lengthBytes;
  return Math.max(extensionsEndOf(content), nameEnd);
}

function firstSector(bytes: Uint8Array): Uint8Array {
  const sector = new Uint8Array(SECTOR_BYTES);
  sector.set(bytes.subarray(0, SECTOR_BYTES));
  return sector;
}
