/** A raw disk that nobody said is one: its guest must not make another format of it. */
import { DiskError } from '@diskfile/bytes';
import { checkAccess, type DiskFile, type FormatDriver } from '@diskfile/core';
import { DiskFilter } from './disk-filter.ts';

/** What QEMU looks at to find out a format; signatures are all within. */
const HEAD_BYTES = 512;
const NOTHING = new Uint8Array(0);

/**
 * The next time that it is opened, its start tells what it is. A guest that writes a header there
 * could name any file of the host as a backing file.
 */
export class ProbedRawDisk extends DiskFilter {
  readonly #formats: readonly FormatDriver[];

  constructor(disk: DiskFile, formats: readonly FormatDriver[]) {
    super(disk, disk.format);
    this.#formats = formats;
  }

  protected override over(disk: DiskFile): DiskFilter {
    return new ProbedRawDisk(disk, this.#formats);
  }

  override writeSync(src: Uint8Array, guestOffset: number): void {
    checkAccess(this, 'write', src, guestOffset);
    if (src.length > 0 && guestOffset < HEAD_BYTES) {
      const head = this.#emptyHead();
      if (!covers(src, guestOffset, head)) this.disk.readSync(head, 0);
      this.#judge(head, src, guestOffset);
    }
    this.disk.writeSync(src, guestOffset);
  }

  override async write(src: Uint8Array, guestOffset: number): Promise<void> {
    checkAccess(this, 'write', src, guestOffset);
    if (src.length > 0 && guestOffset < HEAD_BYTES) {
      const head = this.#emptyHead();
      if (!covers(src, guestOffset, head)) await this.disk.read(head, 0);
      this.#judge(head, src, guestOffset);
    }
    await this.disk.write(src, guestOffset);
  }

  #emptyHead(): Uint8Array {
    return new Uint8Array(Math.min(HEAD_BYTES, this.sizeBytes));
  }

  /** @throws DiskError `denied` when the start would be taken for another format */
  #judge(head: Uint8Array, src: Uint8Array, guestOffset: number): void {
    head.set(src.subarray(0, head.length - guestOffset), guestOffset);
    const input = { head, tail: NOTHING, sizeBytes: head.length };
    const format = this.#formats.find(
      (driver) => driver.id !== this.format && driver.probe(input) === 'yes',
    );
    if (format === undefined) return;
    throw new DiskError(
      'denied',
      'graph.probed-raw-start',
      `With this start, the raw disk would be taken for a disk of the format ${format.id}`,
      {
        op: 'write',
        path: this.name,
        offset: guestOffset,
        hint: "State the format 'raw' when opening the disk, now and later.",
      },
    );
  }
}

function covers(src: Uint8Array, guestOffset: number, head: Uint8Array): boolean {
  return guestOffset === 0 && src.length >= head.length;
}
