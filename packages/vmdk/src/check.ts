/**
 * Checks the tables of a disk. `qemu-img` counts nothing of VMDK: it gives up at the first grain that
 * is not in its file. Each of those is an error of the check here; all else that cannot be right, and
 * that it does not look for, is corruption. There is nothing to repair without guessing.
 */
import {
  type CheckContext,
  type CheckFinding,
  type CheckReport,
  closeStorage,
  FindingList,
  type Step,
  type Storage,
} from '@diskfile/core';
import { openParts } from './disk-parts.ts';
import type { ExtentSource } from './extents.ts';
import { GrainPlaces } from './grain-places.ts';
import { tableCount } from './grain-tables.ts';
import { unsupported } from './refusals.ts';
import { SECTOR_BYTES } from './structs.ts';

/** What `FormatDriver.check` says. */
export function* checkVmdk(context: CheckContext): Step<CheckReport> {
  if (context.repair !== undefined) {
    throw unsupported(
      'vmdk.no-repair',
      'VMDK disks are checked, and not repaired',
      'Convert what can be read to a new disk.',
    );
  }
  const named: Storage[] = [];
  try {
    const { sources } = yield* openParts({
      storage: context.storage,
      limits: context.limits,
      writable: false,
      snapshot: undefined,
      passphrase: undefined,
      decoders: context.decoders,
      warn: (warning) => context.warn(warning),
      *openNamed(file) {
        const storage = yield* context.openNamed(file);
        named.push(storage);
        return storage;
      },
    });
    const check = new ExtentCheck(context);
    let startBytes = 0;
    for (const source of sources) {
      yield* check.run(source, startBytes);
      startBytes += source.sizeBytes;
    }
    return check.report();
  } finally {
    for (const storage of named) yield* closeStorage(storage);
  }
}

type Damage = Pick<CheckFinding, 'detail' | 'message' | 'hostOffset'>;

class ExtentCheck {
  readonly #context: CheckContext;
  readonly #findings = new FindingList();
  #checkErrors = 0;
  /** Of the first grain that is not in its file, at which `qemu-img` gives up. */
  #firstMissing: number | undefined;
  #corruptions = 0;
  #done = 0;
  #total = 0;

  constructor(context: CheckContext) {
    this.#context = context;
  }

  /** @param startBytes of the extent on the disk */
  *run({ storage, sparse, sizeBytes }: ExtentSource, startBytes: number): Step<void> {
    if (storage === undefined) return;
    if (sparse !== undefined) yield* this.#checkGrains(sparse, storage, startBytes);
    // A flat extent that is cut further on reads as zeros there, in QEMU as well.
    else if (sizeBytes > 0 && storage.sizeBytes === 0) this.#missing(0, startBytes);
  }

  *#checkGrains(
    { header, tables }: NonNullable<ExtentSource['sparse']>,
    storage: Storage,
    startBytes: number,
  ): Step<void> {
    const { grainBytes, entriesPerTable, overheadBytes, compressed } = header;
    const places = new GrainPlaces(compressed ? SECTOR_BYTES : grainBytes, this.#context.limits);
    const tableGuestBytes = entriesPerTable * grainBytes;
    this.#total += tableCount(header);
    yield* tables.walk({
      table: () => this.#progress(),
      grain: (grainIndex, hostOffset) => {
        const guestOffset = startBytes + grainIndex * grainBytes;
        if (hostOffset >= storage.sizeBytes) this.#missing(hostOffset, guestOffset);
        else if (hostOffset < overheadBytes) this.#corrupt(inMetadata(hostOffset), guestOffset);
        else if (!places.add(hostOffset)) this.#corrupt(twice(hostOffset), guestOffset);
      },
      missingTable: (tableIndex, hostOffset) =>
        this.#corrupt(tableMissing(hostOffset), startBytes + tableIndex * tableGuestBytes),
      sharedTable: (tableIndex, hostOffset) =>
        this.#corrupt(tableTwice(hostOffset), startBytes + tableIndex * tableGuestBytes),
    });
    for (const hostOffset of places.overlaps()) this.#corrupt(twice(hostOffset), undefined);
  }

  #progress(): void {
    this.#context.onProgress({ done: this.#done, total: this.#total });
    this.#done += 1;
  }

  #missing(hostOffset: number, guestOffset: number): void {
    this.#checkErrors += 1;
    this.#firstMissing ??= guestOffset;
    const message = 'Content of the disk is not in its file';
    this.#add({ detail: 'vmdk.grain-beyond-file', message, hostOffset }, guestOffset);
  }

  #corrupt(damage: Damage, guestOffset: number | undefined): void {
    this.#corruptions += 1;
    this.#add(damage, guestOffset);
  }

  #add(damage: Damage, guestOffset: number | undefined): void {
    const place = guestOffset === undefined ? {} : { guestOffset };
    this.#findings.add(() => ({ kind: 'error', ...damage, ...place, repaired: false }));
  }

  report(): CheckReport {
    return {
      format: 'vmdk',
      checkErrors: this.#checkErrors,
      corruptions: this.#corruptions,
      corruptionsFixed: 0,
      leaks: 0,
      leaksFixed: 0,
      imageEndOffset: 0,
      totalClusters: 0,
      allocatedClusters: 0,
      compressedClusters: 0,
      fragmentedClusters: 0,
      findings: this.#findings.listed,
      findingsOmitted: this.#findings.omitted,
      ...(this.#context.asQemu ? this.#genuineWords() : {}),
    };
  }

  #genuineWords(): Pick<CheckReport, 'genuine'> {
    if (this.#firstMissing === undefined) return {};
    const sector = this.#firstMissing / SECTOR_BYTES;
    const text = `ERROR: cluster offset for sector ${sector} points after EOF`;
    return { genuine: { lines: [{ text, isError: false }], failure: 'EINVAL' } };
  }
}

function inMetadata(hostOffset: number): Damage {
  return { detail: 'vmdk.grain-in-metadata', message: 'A grain lies where tables are', hostOffset };
}

function twice(hostOffset: number): Damage {
  const message = 'Two grains of the disk have the same place';
  return { detail: 'vmdk.grain-twice', message, hostOffset };
}

function tableMissing(hostOffset: number): Damage {
  const message = 'A grain table is not in the file';
  return { detail: 'vmdk.table-beyond-file', message, hostOffset };
}

function tableTwice(hostOffset: number): Damage {
  const message = 'A grain table is used for two stretches of the disk';
  return { detail: 'vmdk.table-twice', message, hostOffset };
}
