/** What commands share: the disk that is open, requests under way, and how it all ends. */
import { damageOf, endProcess, requestReason } from '@diskfile/command';
import {
  type Breakpoints,
  breakpointsOf,
  DiskError,
  type DiskFile,
  type DiskVmState,
  type UserObjects,
} from 'diskfile';
import type { Console } from '../program/console.ts';
import { requestOrder } from '../text/format-habits.ts';
import type { OpenRequest } from './open-disk.ts';
import { writeWhereEmpty } from './write-where-empty.ts';

const LATER_NON_FATAL = 'further non-fatal corruption events will be suppressed';

export interface OpenedDisk {
  readonly disk: DiskFile;
  readonly request: OpenRequest;
}

export class Session {
  readonly console: Console;
  readonly objects: UserObjects;
  /** Whether names that are given to be opened are options. */
  readonly namesAreOptions: boolean;
  opened: OpenedDisk | undefined;
  readonly #pending = new Set<Promise<unknown>>();
  /** Whether the image has turned out to be damaged, and nobody may use it any more. */
  #isLost = false;
  #hasToldOfDamage = false;
  /** Whether something was written that may not be durable. */
  #isUnsaved = false;
  /** Why QEMU, which counts clusters before it looks at their place, cannot write the counts. */
  #uncounted: string | undefined;
  /** Writes that have ended, and how many had when a flush last began: QEMU flushes for those alone. */
  #ended = 0;
  #flushed = 0;
  /** Whether a request may have given up clusters, and nothing was written since. */
  #hasGivenUp = false;
  /** What requests have failed for, and nobody was told; the latest first, as QEMU tells it. */
  readonly #untold: string[] = [];
  #isWaiting = false;
  #before: Promise<unknown> = Promise.resolve();

  constructor(console: Console, objects: UserObjects, namesAreOptions: boolean) {
    this.console = console;
    this.objects = objects;
    this.namesAreOptions = namesAreOptions;
  }

  /** The disk of a command that cannot do without. */
  get disk(): DiskFile {
    if (this.opened === undefined) throw new Error('assertion failed: no disk is open');
    return this.opened.disk;
  }

  /** Of the uppermost image, whatever filters lie over it. */
  get imageFormat(): string {
    return this.disk.info()[0]!.format;
  }

  /** Where requests of the disk can be stopped, if they can. */
  get breakpoints(): Breakpoints | undefined {
    return this.opened && breakpointsOf(this.opened.disk);
  }

  /** Goes on with a disk that was opened, and tells of requests that stop. */
  use(opened: OpenedDisk): void {
    this.opened = opened;
    this.#isLost = false;
    this.#hasToldOfDamage = false;
    this.#hasGivenUp = false;
    this.#ended = 0;
    this.#flushed = 0;
    const { breakpoints, console } = this;
    if (breakpoints === undefined) return;
    breakpoints.listener = {
      stopped: (tag) => console.out(`blkdebug: Suspended request '${tag}'\n`),
      goesOn: (tag) => console.out(`blkdebug: Resuming request '${tag}'\n`),
      leaked: (reason) => console.err(`qcow2_free_clusters failed: ${requestReason(reason)}\n`),
    };
  }

  /** Makes durable what was written, unless nobody wants that. */
  async flush(): Promise<void> {
    if (this.opened?.request.cache.unsafe === true) return;
    const { breakpoints } = this;
    const ended = this.#ended;
    if (breakpoints !== undefined) {
      breakpoints.skipped = ended === this.#flushed ? 'flush_to_disk' : undefined;
    }
    await this.disk.flush();
    this.#flushed = ended;
    if (this.isIdle) this.#isUnsaved = false;
  }

  /** Before anything is written. @throws DiskError once the image was given up */
  beginWriting(): void {
    this.assertUsable();
    this.#isUnsaved = true;
  }

  /** After a request that may have given up clusters. */
  gaveUp(): void {
    this.#hasGivenUp = this.imageFormat === 'qcow2';
  }

  /**
   * Before something is written: QEMU uses clusters that were given up at once, and here a flush comes
   * before that; a later one says whether it can be. Where faults are injected, those that are met
   * count for more than places.
   */
  async reuseClusters(): Promise<void> {
    if (!this.#hasGivenUp || !this.isIdle || this.breakpoints !== undefined) return;
    this.#hasGivenUp = false;
    try {
      await this.disk.flush();
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
    }
  }

  /** Whether a write has failed or not; what it ends with belongs to it. */
  endWriting(): void {
    this.#ended += 1;
  }

  /** What a write ends with: by default it is durable before it counts as done. */
  async written(forceUnitAccess: boolean): Promise<void> {
    if (forceUnitAccess || this.opened?.request.cache.writethrough === true) await this.flush();
  }

  /** Before a request. @throws DiskError once the image was given up */
  assertUsable(): void {
    if (!this.#isLost) return;
    throw new DiskError('io', 'disk.given-up', 'The image is damaged and was given up', {
      cause: Object.assign(new Error('no medium'), { code: 'ENOMEDIUM' }),
    });
  }

  /** Tells of damage that was found and kept nothing from going on. */
  tellOfWarnings(): void {
    if (this.opened === undefined || this.#hasToldOfDamage) return;
    const { warnings } = this.opened.disk;
    const unaligned = warnings.find(({ detail }) => detail === 'qcow2.free-unaligned');
    if (unaligned === undefined) return;
    this.#hasToldOfDamage = true;
    const [place] = /0x[0-9a-f]+/.exec(unaligned.message) ?? [];
    this.console.err(
      `qcow2: Image is corrupt: Cannot free unaligned cluster ${place}; ${LATER_NON_FATAL}\n`,
    );
  }

  /** Whoever compares copies wants to look at those that differ, so nothing goes on. */
  endAtMismatch(error: unknown): void {
    if (!(error instanceof DiskError) || error.detail !== 'graph.mismatch') return;
    this.console.err(`${error.message}\n`);
    this.console.flush();
    endProcess(1);
    process.exit(1);
  }

  /** What a request that failed is reported with; damage of the image is told of where it is found. */
  reasonOf(error: unknown): string {
    this.endAtMismatch(error);
    if (error instanceof DiskError && error.code === 'corrupt') this.#tellOfDamage(error);
    if (error instanceof DiskError && error.detail.startsWith('qcow2.snapshot-l1-table-')) {
      this.#uncounted = requestReason(error);
    }
    if (error instanceof DiskError && error.detail === 'vmdk.grain-written') {
      this.console.error('Could not write to allocated cluster for streamOptimized');
    }
    return requestReason(error);
  }

  #tellOfDamage(error: DiskError): void {
    const damage = damageOf(error);
    if (damage === undefined || this.#isLost) return;
    if (!this.disk.readOnly) {
      this.#isLost = true;
      this.console.err(
        `qcow2: Marking image as corrupt: ${damage}; further corruption events will be suppressed\n`,
      );
    } else if (!this.#hasToldOfDamage) {
      this.console.err(`qcow2: Image is corrupt: ${damage}; ${LATER_NON_FATAL}\n`);
    }
    this.#hasToldOfDamage = true;
  }

  /** @param fromState whether to read the saved state of a virtual machine in place of its disk */
  async read(offset: number, length: number, fromState: boolean): Promise<Uint8Array> {
    this.assertUsable();
    if (!fromState) this.checkRange(offset, length);
    const bytes = new Uint8Array(length);
    if (fromState) {
      await this.#vmState.read(bytes, offset);
      return bytes;
    }
    await this.disk.read(bytes, offset);
    return bytes;
  }

  /** @throws DiskError `out-of-range`, before anything as large as a wrong length is made */
  checkRange(offset: number, length: number): void {
    const { name, sizeBytes } = this.disk;
    if (offset + length <= sizeBytes) return;
    throw new DiskError('out-of-range', 'disk.range', 'The range leaves the disk', { path: name });
  }

  async writeState(bytes: Uint8Array, offset: number): Promise<void> {
    const { breakpoints } = this;
    // It is durable then, which QEMU knows nothing of.
    if (breakpoints !== undefined) breakpoints.skipped = 'flush_to_disk';
    try {
      await this.#vmState.write(bytes, offset);
    } finally {
      if (breakpoints !== undefined) breakpoints.skipped = undefined;
    }
  }

  get #vmState(): DiskVmState {
    const { vmState } = this.disk.capabilities;
    if (vmState !== undefined) return vmState;
    throw unsupported('The disk has no room for the state of a virtual machine');
  }

  /** Like QEMU, this overwrites nothing that is there already. */
  async writeCompressed(bytes: Uint8Array, offset: number): Promise<void> {
    const { compression } = this.disk.capabilities;
    const format = this.imageFormat;
    // QEMU's driver takes them as any others.
    if (format === 'vmdk') return await this.disk.write(bytes, offset);
    if (format === 'qcow' && bytes.length !== this.disk.topology.clusterBytes) throw wrongUnits();
    if (compression === undefined) throw unsupported('The disk cannot hold compressed data');
    const end = offset + bytes.length;
    const isWhole = end % compression.unitBytes === 0 || end === this.disk.sizeBytes;
    if (offset % compression.unitBytes !== 0 || !isWhole) {
      throw wrongUnits();
    }
    await writeWhereEmpty(compression, bytes, offset);
  }

  /**
   * Lets a request go on beside further commands, behind what the format makes it wait for.
   * @param start to be told where to say that its bytes are where they belong
   */
  track(start: (dataDone: () => void) => Promise<unknown>): void {
    const order = requestOrder(this.imageFormat);
    let dataDone = () => {};
    const data = new Promise<void>((resolve) => void (dataDone = resolve));
    const work = order === 'beside' ? start(dataDone) : this.#before.then(() => start(dataDone));
    this.#before = order === 'behind data' ? Promise.race([data, work]) : work;
    const tracked = work.finally(() => this.#pending.delete(tracked));
    this.#pending.add(tracked);
  }

  get isIdle(): boolean {
    return this.#pending.size === 0;
  }

  /** Says why a request under way has failed: at once to who waits at a prompt, else at its end. */
  tellLater(text: string): void {
    this.#untold.unshift(text);
    if (this.#isWaiting) this.#tell();
  }

  /**
   * Waits for what comes next; whatever ends meanwhile is told of.
   * @param begin begins it once all that fails without the host has failed
   */
  async waitFor<T>(begin: () => Promise<T>): Promise<T> {
    if (!this.isIdle) await new Promise((resolve) => void setImmediate(resolve));
    this.#isWaiting = true;
    this.#tell();
    try {
      return await begin();
    } finally {
      this.#isWaiting = false;
    }
  }

  #tell(): void {
    for (const text of this.#untold.splice(0)) this.console.out(text);
  }

  /** Returns once all requests under way have ended. */
  async drain(): Promise<void> {
    while (!this.isIdle) await this.waitFor(() => Promise.all(this.#pending));
    this.#tell();
  }

  /** @returns whether all was written out; if not, that is said */
  async close(): Promise<boolean> {
    this.breakpoints?.clear();
    await this.drain();
    const { opened } = this;
    // Of the formats, qcow2 alone keeps tables that are written as the image is closed.
    const isUnsaved = this.#isUnsaved && !this.#isLost && this.#hasCaches;
    this.opened = undefined;
    this.#isUnsaved = false;
    const uncounted = this.#uncounted;
    this.#uncounted = undefined;
    try {
      await opened?.disk.close();
      if (uncounted !== undefined) this.#tellUnwritten('refcount block', uncounted);
      return true;
    } catch (error) {
      const reason = requestReason(error);
      if (!isUnsaved) return true;
      // Both are written out as the image is closed, and neither can be.
      for (const cache of ['L2 table', 'refcount block']) this.#tellUnwritten(cache, reason);
      return false;
    }
  }

  get #hasCaches(): boolean {
    return this.opened !== undefined && this.imageFormat === 'qcow2';
  }

  #tellUnwritten(cache: string, reason: string): void {
    this.console.error(`Failed to flush the ${cache} cache: ${reason}`);
  }
}

function wrongUnits(): DiskError {
  return new DiskError('invalid-argument', 'disk.compressed-range', 'Only whole units compress');
}

function unsupported(message: string): DiskError {
  return new DiskError('unsupported', 'disk.not-capable', message);
}
