/** Copies the bytes of disks to a target: brings together plan, hands, workers and target. */
import {
  type DiskDescriptor,
  type DiskFile,
  type FormatImage,
  hostCall,
  type Step,
} from '@diskfile/core';
import { nextStatus } from '../chain/disk-steps.ts';
import { isSameFile } from '../create/same-file.ts';
import type { DiskOpening } from '../open/open-disk-file.ts';
import { abortedError, refuseAborted } from '../workers/aborted.ts';
import { CopyCrew } from '../workers/copy-crew.ts';
import { canStartWorkers, workerCount } from '../workers/worker-start.ts';
import {
  type ConvertDiskFileOptions,
  type GuestPart,
  refused,
  zeroSearchOf,
} from './convert-options.ts';
import { type CopySettings, LocalHand, type UnitEncoding, type UnitFrame } from './copy-hand.ts';
import { type CopyItem, CopyPlan, type CopyPlanOptions } from './copy-plan.ts';
import { CopyRun, type Lane } from './copy-run.ts';
import type { CopyTarget } from './copy-target.ts';
import { DataSteps } from './data-steps.ts';
import { DiskTarget } from './disk-target.ts';
import { NewImageTarget } from './new-image-target.ts';
import { RateLimit } from './rate-limit.ts';
import type { UnreadableRange } from './salvage.ts';
import type { SourceParts } from './source-parts.ts';

/** Jobs under way in place: while one is computed on, the host reads and writes for others. */
const LOCAL_LANES = 6;

export interface CopyOrder {
  readonly source: SourceParts;
  readonly part: GuestPart;
  readonly disk: DiskFile;
  /** The image behind `disk` when it is new. */
  readonly image: FormatImage | undefined;
  readonly options: ConvertDiskFileOptions;
  /** Whether the caller waits for promises: only then threads can help. */
  readonly isAsync: boolean;
}

/** @returns what could not be read */
export function* copyDisk(order: CopyOrder): Step<readonly UnreadableRange[]> {
  const { source, part, disk, image, options } = order;
  const zeroSearch = zeroSearchOf(options);
  const { compress = false, salvage = false, compressionLevel: level } = options;
  const { compression: possible } = disk.capabilities;
  const compression = compress || possible?.isOnlyForm === true ? possible : undefined;
  if (compress && compression === undefined) {
    throw refused(
      'convert.no-compression',
      `Disks of the format ${disk.format} have no compression`,
    );
  }
  // What is encrypted together is written together, which only the disk itself sees to.
  const isEncrypted = (image?.writer?.sectorBytes ?? 1) > 1;
  const direct = isEncrypted || options.backing !== undefined ? undefined : image;
  const { encoderId, framing: frame } = direct?.writer?.compression ?? {};
  const encoding: UnitEncoding | undefined =
    compression === undefined || encoderId === undefined
      ? undefined
      : { unitBytes: compression.unitBytes, encoderId, level, frame: frame && lengthsOf(frame) };
  const unitBytes = compression?.unitBytes ?? 1;
  const isZero =
    direct !== undefined ||
    (image === undefined ? targetIsZero(options) : yield* readsAsZero(disk, options));
  const planOptions: CopyPlanOptions = {
    ...part,
    unitBytes,
    encodes: compression !== undefined,
    targetIsZero: isZero,
    storesHoles: zeroSearch === undefined,
    below: yield* keptBelow(order),
    salvage,
  };
  const plan = new CopyPlan(source, planOptions);
  const dataBytes =
    options.onProgress !== undefined && options.progressOf === 'data'
      ? yield* new CopyPlan(source, planOptions).countData()
      : undefined;
  const settings: CopySettings = {
    startBytes: part.startBytes,
    jobBytes: plan.jobBytes,
    zeroSearch: compression === undefined ? zeroSearch : wholeUnits(zeroSearch, unitBytes),
    encoding,
    salvage,
  };
  const target: CopyTarget =
    direct === undefined
      ? new DiskTarget(disk, isZero, compression && { level })
      : yield* NewImageTarget.open(direct, encoding?.unitBytes);
  return yield* new Copying(order, plan, settings, target, dataBytes).run();
}

/** @throws DiskError `invalid-argument` where nothing is below the target */
function* keptBelow({ source, disk, options }: CopyOrder): Step<CopyPlanOptions['below']> {
  const { backing } = options;
  if (backing === undefined) return undefined;
  const kept = disk.info()[1];
  if (kept === undefined) {
    throw refused(
      'convert.no-backing',
      'The target has no image below, of which to leave data out',
    );
  }
  const lengthBytes = kept.virtualSizeBytes ?? Infinity;
  if (backing.depth !== undefined) return { lengthBytes, sourceDepth: backing.depth };
  const chain = source.disks[0]!.info();
  for (let depth = 1; depth < chain.length; depth++) {
    if (yield* isSameFile(chain[depth]!.path, kept.path))
      return { lengthBytes, sourceDepth: depth };
  }
  return { lengthBytes, sourceDepth: 1 };
}

function targetIsZero({ intoExisting, backing, targetIsZero: isZero }: ConvertDiskFileOptions) {
  return intoExisting === true && backing === undefined && isZero === true;
}

/** Space of a new image that is encrypted reads as anything until it is written. */
function* readsAsZero(disk: DiskFile, { backing }: ConvertDiskFileOptions): Step<boolean> {
  if (backing !== undefined) return false;
  for (let at = 0; at < disk.sizeBytes;) {
    const { zero, lengthBytes } = yield* nextStatus(disk, at, disk.sizeBytes - at);
    if (!zero) return false;
    at += lengthBytes;
  }
  return true;
}

/** What can be sent to other threads. */
function lengthsOf({ headerBytes, alignmentBytes, maxEncodedBytes }: UnitFrame): UnitFrame {
  return { headerBytes, alignmentBytes, maxEncodedBytes };
}

/** Units that are compressed are left out as a whole or not at all. */
function wholeUnits(
  zeroSearch: CopySettings['zeroSearch'],
  unitBytes: number,
): CopySettings['zeroSearch'] {
  return zeroSearch && { gridBytes: unitBytes, leastBytes: unitBytes };
}

/** Tells of progress: of the disk, or of its data where they are counted. */
function teller(
  { part, options: { onProgress } }: CopyOrder,
  dataBytes: number | undefined,
): ((doneBytes: number, items: readonly CopyItem[]) => void) | undefined {
  if (onProgress === undefined) return undefined;
  const { lengthBytes } = part;
  if (dataBytes === undefined) {
    return (doneBytes) => onProgress({ doneBytes, totalBytes: lengthBytes });
  }
  const steps = new DataSteps();
  const tellEach = (each: Iterable<number>): void => {
    for (const doneBytes of each) onProgress({ doneBytes, totalBytes: dataBytes });
  };
  return (doneBytes, items) => {
    if (doneBytes === 0 && dataBytes > 0) tellEach([0]);
    for (const item of items) tellEach(steps.add(item));
    if (doneBytes === lengthBytes) tellEach(steps.finish());
  };
}

/** One copy with the workers that help with it. */
class Copying {
  readonly #order: CopyOrder;
  readonly #settings: CopySettings;
  readonly #target: CopyTarget;
  readonly #run: CopyRun;
  #crew: CopyCrew | undefined;

  /** @param dataBytes of the source, where progress counts them */
  constructor(
    order: CopyOrder,
    plan: CopyPlan,
    settings: CopySettings,
    target: CopyTarget,
    dataBytes: number | undefined,
  ) {
    const { disk, options } = order;
    const { bytesPerSecond } = options;
    const tell = teller(order, dataBytes);
    this.#order = order;
    this.#settings = settings;
    this.#target = target;
    this.#run = new CopyRun(plan, disk, target, {
      outOfOrder: options.outOfOrder === true && order.image?.writer?.compression?.inOrder !== true,
      mayUnmap: options.sparseBytes !== 0,
      rateLimit:
        bytesPerSecond === undefined ? undefined : new RateLimit(bytesPerSecond, options.signal),
      reached: (doneBytes, items) => {
        refuseAborted(options.signal, order.source.name);
        tell?.(doneBytes, items);
      },
      taken: ({ isCompressed }) => {
        if (isCompressed) this.#crew?.start();
      },
      drained: () => this.#crew?.dismiss(),
    });
  }

  *run(): Step<readonly UnreadableRange[]> {
    const { signal } = this.#order.options;
    refuseAborted(signal, this.#order.source.name);
    this.#crew = this.#gatherCrew();
    const crew = this.#crew;
    const onAbort = (): void => this.#stop(abortedError(signal!, this.#order.source.name));
    signal?.addEventListener('abort', onAbort);
    try {
      yield* this.#run.run(this.#lanes());
      yield* this.#target.finish();
      return this.#run.unreadable;
    } finally {
      signal?.removeEventListener('abort', onAbort);
      if (crew !== undefined) yield* hostCall(noSync, () => crew.close(new Error('closed')));
    }
  }

  /** A worker may be stuck in a read; what it was asked for fails when it is ended. */
  #stop(error: unknown): void {
    this.#run.fail(error);
    void this.#crew?.close(error);
  }

  #lanes(): Lane[] {
    const { source, isAsync } = this.#order;
    const { sink } = this.#target;
    const crew = this.#crew;
    const local = Array.from({ length: isAsync ? LOCAL_LANES : 1 }, (): Lane => ({
      hand: new LocalHand(source, this.#settings, sink),
      isUsable: () => crew?.isReady !== true,
    }));
    return [...local, ...(crew?.hands ?? [])];
  }

  /**
   * Workers, where they are worth it and can open the source and write the target. They start once
   * there is something to compute, unless they were asked for: what is only copied waits for the
   * host, which writes a file for one thread at a time.
   */
  #gatherCrew(): CopyCrew | undefined {
    const { source, options, isAsync } = this.#order;
    const count = isAsync && canStartWorkers() ? workerCount(source.disks, options.workers) : 0;
    if (count === 0) return undefined;
    const descriptors = source.disks.flatMap(({ descriptor }) => descriptor ?? []);
    const files = this.#target.sharedFiles();
    if (files === undefined || descriptors.length < source.disks.length) return undefined;
    const crew = new CopyCrew(count, {
      path: source.name,
      files,
      descriptors,
      settings: this.#settings,
      onFailure: (error) => this.#stop(error),
    });
    const computes = this.#settings.encoding !== undefined || descriptors.some(isDecrypted);
    if (computes || options.workers !== undefined) crew.start();
    return crew;
  }
}

function isDecrypted({ opening }: DiskDescriptor): boolean {
  return (opening as DiskOpening).passphrase !== undefined;
}

function noSync(): never {
  throw new Error('assertion failed: workers are not waited for');
}
