/**
 * An independent look at a VMDK disk: does every grain have a place of its own within its file, and
 * do both copies of the tables say the same? Written against VMware's "Virtual Disk Format 5.0", with
 * nothing of the package. Streams are not looked at.
 */
import type { Verdict } from '../subject/subject.ts';
import { IMAGE, type SubjectFiles } from '../subject/subject-files.ts';
import { Places } from './places.ts';

const SECTOR = 512;
const ZEROED_GRAINS = 4;

export function verifyVmdk(files: SubjectFiles): Verdict {
  const errors: string[] = [];
  const leaks: string[] = [];
  const image = files.bytes();
  const extents = isSparse(image)
    ? [IMAGE]
    : [...textOf(image).matchAll(/^RW \d+ SPARSE "(.*)"$/gm)].map(([, name]) => name!);
  for (const name of extents) {
    const extent = new SparseLook(files.bytes(name));
    errors.push(...extent.errors().map((error) => `${name}: ${error}`));
    leaks.push(...extent.leaks().map((leak) => `${name}: ${leak}`));
  }
  const text = textOf(isSparse(image) ? image.subarray(SECTOR) : image);
  if (!/^CID=[0-9a-f]{1,8}$/m.test(text)) errors.push('the disk has no identity');
  return { errors, leaks, isDirty: false };
}

function isSparse(bytes: Uint8Array): boolean {
  return textOf(bytes.subarray(0, 4)) === 'KDMV';
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
}

class SparseLook {
  readonly #image: Uint8Array;
  readonly #view: DataView;
  readonly #places = new Places();
  readonly #errors: string[] = [];
  readonly #leaks: string[] = [];
  readonly #grainBytes: number;
  #used = 0;
  #end = 0;

  constructor(image: Uint8Array) {
    this.#image = image;
    this.#view = new DataView(image.buffer, image.byteOffset, image.byteLength);
    this.#grainBytes = this.#u64(20) * SECTOR;
    if (!isSparse(image)) this.#errors.push('the header is damaged');
    else this.#look();
  }

  errors(): string[] {
    return [...this.#errors, ...this.#places.faults(this.#image.length)];
  }

  /** Grains that were never linked, and copies of tables that were not brought up to date. */
  leaks(): string[] {
    const grains = Math.ceil((this.#image.length - this.#end) / this.#grainBytes);
    const lost = grains - this.#used;
    return lost > 0 ? [...this.#leaks, `${lost} grains are not used`] : this.#leaks;
  }

  #look(): void {
    const overhead = this.#u64(64) * SECTOR;
    this.#end = overhead;
    this.#places.use('header and tables', 0, overhead);
    const perTable = this.#view.getUint32(44, true);
    const grains = Math.ceil((this.#u64(12) * SECTOR) / this.#grainBytes);
    const [redundant, primary] = [this.#u64(48) * SECTOR, this.#u64(56) * SECTOR];
    for (let grain = 0; grain < grains; grain++) {
      const table = Math.floor(grain / perTable) * 4;
      const [one, copy] = [primary, redundant].map((directory) => {
        const tableAt = this.#u32(directory + table) * SECTOR;
        if (tableAt === 0 || tableAt >= overhead) this.#errors.push('a table is out of place');
        return this.#u32(tableAt + (grain % perTable) * 4);
      });
      if (one !== copy) this.#leaks.push(`the copies of the tables differ at grain ${grain}`);
      this.#useGrain(grain, one!);
    }
  }

  #useGrain(grain: number, sector: number): void {
    const hasZeroed = (this.#u32(8) & ZEROED_GRAINS) !== 0;
    if (sector === 0 || (sector === 1 && hasZeroed)) return;
    this.#used += 1;
    const start = sector * SECTOR;
    const isCut = start < this.#image.length && start + this.#grainBytes > this.#image.length;
    // Zeros at the end of the last one need not be in the file.
    const length = isCut ? this.#image.length - start : this.#grainBytes;
    this.#places.use(`grain ${grain}`, start, length);
  }

  #u32(at: number): number {
    return at + 4 <= this.#view.byteLength ? this.#view.getUint32(at, true) : 0;
  }

  #u64(at: number): number {
    return this.#u32(at + 4) * 2 ** 32 + this.#u32(at);
  }
}
