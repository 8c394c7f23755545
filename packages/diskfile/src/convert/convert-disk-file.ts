/** Converting disks from any format to any other. */
import { checkDisk, type DiskFile, hostCall, runAsync, runSync, type Step } from '@diskfile/core';
import { closeDisk, thenClose } from '../chain/disk-steps.ts';
import { createFilled } from '../create/create-disk-file.ts';
import type { Filling } from '../create/creation.ts';
import { hostPath } from '../open/image-target.ts';
import {
  openDiskFile,
  type OpenDiskFileOptions,
  openDiskFileSync,
} from '../open/open-disk-file.ts';
import { bitmapsOf, chooseBitmaps, copyBitmaps } from './bitmap-copy.ts';
import {
  checkConversion,
  type ConvertAccess,
  type ConvertDiskFileOptions,
  type ConvertResult,
  type ConvertSource,
  type KeptBacking,
  partOf,
  refused,
} from './convert-options.ts';
import { copyDisk } from './disk-copy.ts';
import type { UnreadableRange } from './salvage.ts';
import { SourceParts } from './source-parts.ts';

/**
 * Copies a disk, or several one behind the other, into a new image of any format that can be
 * written. Holes are not read, zeros not written. The new image appears under its name complete and
 * durable, or not at all; what has to be written where it is may be left half done, see `overwrite`.
 *
 * The sources must not change meanwhile. A file that is replaced or changes its length before the
 * workers have opened it is noticed; a write inside it is not.
 *
 * @param source paths, `file:` URLs or disks; disks stay open
 * @param target path or `file:` URL of the new image; or a disk that is there, is written and stays
 *   open
 * @throws DiskError what opening, reading and creating throw; `aborted`
 * @example
 * await convertDiskFile('vm.vmdk', 'vm.qcow2', { format: 'qcow2', compress: true });
 */
export async function convertDiskFile(
  source: ConvertSource | readonly ConvertSource[],
  target: string | URL | DiskFile,
  options: ConvertDiskFileOptions,
): Promise<ConvertResult> {
  return await runAsync(new Conversion(options, true).run(source, target));
}

/** The synchronous form of {@link convertDiskFile}; blocks the thread and starts no workers. */
export function convertDiskFileSync(
  source: ConvertSource | readonly ConvertSource[],
  target: string | URL | DiskFile,
  options: ConvertDiskFileOptions,
): ConvertResult {
  return runSync(new Conversion(options, false).run(source, target));
}

class Conversion {
  readonly #options: ConvertDiskFileOptions;
  readonly #isAsync: boolean;

  constructor(options: ConvertDiskFileOptions, isAsync: boolean) {
    this.#options = options;
    this.#isAsync = isAsync;
  }

  *run(
    given: ConvertSource | readonly ConvertSource[],
    target: string | URL | DiskFile,
  ): Step<ConvertResult> {
    const sources: readonly ConvertSource[] = Array.isArray(given) ? given : [given];
    checkConversion(this.#options, sources.length);
    const opened: DiskFile[] = [];
    try {
      const disks: DiskFile[] = [];
      for (const source of sources) {
        const isDisk = typeof source === 'object' && !(source instanceof URL);
        if (isDisk) checkDisk('convert', source);
        const disk = isDisk ? source : yield* open(source, this.#openingOfSource());
        if (!isDisk) opened.push(disk);
        disks.push(disk);
      }
      const parts = new SourceParts(disks);
      const { intoExisting = false } = this.#options;
      const isDisk = typeof target === 'object' && !(target instanceof URL);
      if (isDisk) {
        checkDisk('convert', target);
        return yield* this.#into(parts, target);
      }
      const path = hostPath('convert', target);
      return yield* intoExisting ? this.#intoFile(parts, path) : this.#create(parts, path);
    } finally {
      for (const disk of opened) yield* closeDisk(disk);
    }
  }

  #openingOfSource(): OpenDiskFileOptions {
    return { ...accessOf(this.#options), ...this.#options.source };
  }

  *#create(source: SourceParts, target: string): Step<ConvertResult> {
    const { format, options = {}, backing, bitmaps, passphrase } = this.#options;
    const { overwrite = false, durable = true } = this.#options;
    const part = partOf(source.sizeBytes, this.#options);
    const disk = source.disks[0]!;
    const choice = bitmaps && chooseBitmaps(disk, bitmaps);
    let unreadable: readonly UnreadableRange[] = [];
    const creation = {
      ...accessOf(this.#options),
      format,
      sizeBytes: part.lengthBytes,
      options,
      overwrite,
      durable,
      ...(passphrase === undefined ? {} : { passphrase }),
      ...(backing === undefined ? {} : { backing: referenceOf(backing) }),
    };
    const isAsync = this.#isAsync;
    const order = { source, part, options: this.#options, isAsync };
    const sourcePaths = (): string[] =>
      source.disks.flatMap((each) => each.info().map(({ path }) => path));
    const fill: Filling['fill'] = function* (made, image) {
      if (choice !== undefined) bitmapsOf(made);
      unreadable = yield* copyDisk({ ...order, disk: made, image });
      if (choice !== undefined) yield* copyBitmaps(disk, made, image, choice.copied);
    };
    yield* createFilled(target, creation, { fill, sourcePaths });
    return { unreadable, bitmapsSkipped: choice?.skipped ?? [] };
  }

  *#intoFile(source: SourceParts, target: string): Step<ConvertResult> {
    const { format, passphrase } = this.#options;
    const disk = yield* open(target, {
      ...accessOf(this.#options),
      format,
      readOnly: false,
      ...(passphrase === undefined ? {} : { passphrase }),
    });
    return yield* thenClose(disk, this.#into(source, disk));
  }

  *#into(source: SourceParts, disk: DiskFile): Step<ConvertResult> {
    const part = partOf(source.sizeBytes, this.#options);
    if (disk.sizeBytes < part.lengthBytes) {
      throw refused(
        'convert.target-too-small',
        `The target of ${disk.sizeBytes} bytes is too small for ${part.lengthBytes}`,
      );
    }
    if (this.#options.bitmaps !== undefined) {
      throw refused('convert.bitmaps', 'Bitmaps can be copied into new images only');
    }
    const options = { ...this.#options, intoExisting: true };
    const isAsync = this.#isAsync;
    const unreadable = yield* copyDisk({ source, part, disk, image: undefined, options, isAsync });
    return { unreadable, bitmapsSkipped: [] };
  }
}

/** What is written into the new image. */
function referenceOf({ name, format }: KeptBacking): { name: string; format?: string } {
  return format === undefined ? { name } : { name, format };
}

/** What was given of it, since no option may be undefined. */
function accessOf({ gate, limits, formats, secrets }: ConvertAccess): ConvertAccess {
  return {
    ...(gate === undefined ? {} : { gate }),
    ...(limits === undefined ? {} : { limits }),
    ...(formats === undefined ? {} : { formats }),
    ...(secrets === undefined ? {} : { secrets }),
  };
}

function open(path: string | URL, options: OpenDiskFileOptions): Step<DiskFile> {
  return hostCall(
    () => openDiskFileSync(path, options),
    () => openDiskFile(path, options),
  );
}
