/** `convert`: copies disks into an image of any format. */
import { hostErrorText } from '@diskfile/command';
import {
  convertDiskFile,
  type ConvertDiskFileOptions,
  DiskError,
  type DiskFile,
  type UserObjects,
} from 'diskfile';
import {
  checkCombinations,
  type ConvertSettings,
  readSettings,
} from '../arguments/convert-settings.ts';
import {
  asksForHelp,
  joinOptionLists,
  optionHelp,
  type OptionValues,
  readOptions,
} from '../arguments/option-list.ts';
import { checkCache, checkSourceCache, CommandOptions } from '../arguments/options.ts';
import type { Outcome } from '../command.ts';
import { createOptionsOf, type FormatOption } from '../formats/format-options.ts';
import { isKnownFormat } from '../formats/known-formats.ts';
import { type ImageSource, imageSource, takesImageOptions } from '../images/image-source.ts';
import { addBacking, backingOf, backingRefusal, newImage } from '../images/new-image.ts';
import { bitmapsToCopy, copyBitmaps, refuseBrokenBitmaps } from '../images/copy-bitmaps.ts';
import { closeQuietly, OPEN_GATE, openImage } from '../images/open-image.ts';
import { removeSpoiled } from '../images/remove-spoiled.ts';
import { deviceFault, targetPath } from '../images/target-path.ts';
import { openAtSnapshot } from '../images/open-snapshot.ts';
import { openBelow } from '../images/open-below.ts';
import { interruptible } from '../interrupts.ts';
import { Failure, type Program } from '../program.ts';
import { QemuProgress } from '../report/qemu-progress.ts';
import { conversionWords, filesOf } from '../words/conversion-words.ts';
import { wordsOf } from '../words/disk-words.ts';
import { backingFormatFault, formatOptionHelp } from './create.ts';

const SHAPES = {
  short: 'f:O:B:CcF:o:l:S:pt:T:qnm:WUr:',
  long: {
    object: 'object:',
    'source-image-opts': 'image-opts',
    'image-opts': 'image-opts',
    'target-image-opts': 'target-image-opts',
    'force-share': 'U',
    'target-is-zero': 'target-is-zero',
    salvage: 'salvage',
    bitmaps: 'bitmaps',
    'skip-broken-bitmaps': 'skip-broken-bitmaps',
  },
};

export async function run(program: Program, args: readonly string[]): Promise<Outcome> {
  const options = new CommandOptions(program, 'convert', args, SHAPES);
  const settings = readSettings(options);
  const names = options.operands;
  const list = joinOptionLists(options.values('o'));
  const format = options.value('O') ?? 'raw';
  checkCombinations(options, list);
  if (asksForHelp(list)) return printOptions(program, format, names.length > 1);
  if (names.length < 2) throw new Failure('Must specify image file name');
  const isShown = options.has('p') && !options.has('q');
  const progress = new QemuProgress(program, isShown);
  let target: ImageSource | undefined;
  try {
    const conversion = { program, options, settings, list, format };
    target = await convert(conversion, names.slice(0, -1), names.at(-1)!, progress);
  } finally {
    progress.finish(target !== undefined);
  }
  return target;
}

function printOptions(program: Program, format: string, withFile: boolean): number {
  const known = knownOptions(format);
  program.output.text(withFile ? optionHelp('Supported options', known) : formatOptionHelp(format));
  return 0;
}

function knownOptions(format: string): readonly FormatOption[] {
  if (!isKnownFormat(format)) throw new Failure(`Unknown file format '${format}'`);
  const known = createOptionsOf(format);
  if (known !== undefined) return known;
  throw new Failure(`Format driver '${format}' does not support image creation`);
}

interface Conversion {
  readonly program: Program;
  readonly options: CommandOptions;
  readonly settings: ConvertSettings;
  readonly list: string;
  /** Of the target. */
  readonly format: string;
}

async function convert(
  conversion: Conversion,
  names: readonly string[],
  target: string,
  progress: QemuProgress,
): Promise<ImageSource> {
  const { program, options, settings } = conversion;
  const { objects } = options;
  checkSourceCache(options.value('T'));
  const isOptions = takesImageOptions(options, 'f');
  if (settings.snapshot !== undefined && names.length > 1) {
    throw new Failure('No support for concatenating multiple snapshot');
  }
  const sources = names.map((name) =>
    imageSource(name, { format: options.value('f'), isOptions, objects }),
  );
  const disks: DiskFile[] = [];
  try {
    for (const source of sources) {
      const request = { source, forceShare: options.has('U') };
      disks.push(openAtSnapshot(program, request, settings.snapshot));
    }
    if (options.has('bitmaps') && disks.length > 1) {
      throw new Failure('Copying bitmaps only possible with single source');
    }
    return await interruptible((signal) =>
      options.has('n')
        ? intoExisting(conversion, disks, target, { progress, signal, objects })
        : intoNew(conversion, disks, target, { progress, signal, objects }),
    );
  } finally {
    for (const disk of disks) closeQuietly(disk);
  }
}

interface Work {
  readonly progress: QemuProgress;
  readonly signal: AbortSignal;
  readonly objects: UserObjects;
}

/** What goes for new images and for those that are there. */
function commonOptions(
  { program, options, settings, format }: Conversion,
  { progress, signal, objects }: Work,
): ConvertDiskFileOptions {
  const { sparseBytes, bytesPerSecond, durable } = settings;
  return {
    format,
    gate: OPEN_GATE,
    secrets: objects.secrets,
    compress: options.has('c') && format !== 'vmdk',
    salvage: options.has('salvage'),
    outOfOrder: options.has('W'),
    durable,
    onProgress: progress.update,
    ...(program.isLookAlike ? { progressOf: 'data' } : {}),
    signal,
    ...(sparseBytes === undefined ? {} : { sparseBytes }),
    ...(bytesPerSecond === undefined ? {} : { bytesPerSecond }),
  };
}

async function intoNew(
  conversion: Conversion,
  disks: readonly DiskFile[],
  target: string,
  work: Work,
): Promise<ImageSource> {
  const { options, list, format, program } = conversion;
  const known = knownOptions(format);
  const values = readValues(conversion, known);
  const backing = backingOf(values);
  if (backing !== undefined && disks.length > 1) {
    throw new Failure(
      'Having a backing file for the target makes no sense when concatenating multiple input images',
    );
  }
  if (backing !== undefined && backing.format === undefined) {
    throw new Failure('Use of backing file requires explicit backing format');
  }
  if (backing !== undefined && !isKnownFormat(backing.format!)) {
    throw new Failure(
      `${target}: error while converting ${format}: ` +
        `Parameter 'backing-fmt' does not accept value '${backing.format}'`,
    );
  }
  if (backing !== undefined) refuseLockedBelow(target, backing, work.objects);
  refuseUncompressible(conversion, values);
  if (options.has('bitmaps') && disks[0]!.capabilities.bitmaps === undefined) {
    throw new Failure('Source lacks bitmap support');
  }
  if (options.has('bitmaps') && (format !== 'qcow2' || isVersion2(values))) {
    throw new Failure(`Format driver '${format}' does not support bitmaps`);
  }
  const fault = backingFormatFault(format, values);
  if (fault !== undefined) {
    throw new Failure(`${target}: error while converting ${format}: ${fault}`);
  }
  const skips = options.has('skip-broken-bitmaps');
  if (options.has('bitmaps') && !skips) refuseBrokenBitmaps(disks[0]!);
  checkCache(options.value('t'));
  try {
    const { sizeBytes: _, ...image } = newImage(format, values, work.objects);
    const noDevice = deviceFault(target, format);
    if (noDevice !== undefined) {
      throw new Failure(`${target}: error while converting ${format}: ${noDevice}`);
    }
    const { unreadable, bitmapsSkipped } = await convertDiskFile(
      disks,
      targetPath(target, format),
      {
        ...commonOptions(conversion, work),
        ...image,
        overwrite: true,
        ...(options.has('bitmaps') ? { bitmaps: skips ? 'usable' : 'all' } : {}),
      },
    );
    tellSkipped(program, bitmapsSkipped);
    tellUnreadable(program, unreadable);
    return imageSource(target, { format });
  } catch (error) {
    removeSpoiled(program, { target, format }, error);
    throw conversionWords(error, { target, format, values, list, sources: disks.flatMap(filesOf) });
  }
}

/** What the new image is filled through is opened with what lies below it, and that with its key. */
function refuseLockedBelow(
  target: string,
  { name, format }: { readonly name: string; readonly format?: string | undefined },
  objects: UserObjects,
): void {
  try {
    openBelow({ name, format, above: target, objects, isRead: true }).closeSync();
  } catch (error) {
    const { message, cause } = error as Error;
    // All else is told of as the image is made.
    if (!(cause instanceof DiskError) || cause.code !== 'wrong-key') return;
    throw new Failure(`Could not open '${target}': Could not open backing file: ${message}`, {
      cause,
    });
  }
}

/** QEMU has met them last to first. */
function tellSkipped(program: Program, names: readonly string[]): void {
  for (const name of names.toReversed()) {
    program.warn(`warning: Skipping inconsistent bitmap '${name}'`);
  }
}

function readValues(
  { options, list, format }: Conversion,
  known: readonly FormatOption[],
): OptionValues {
  let values: OptionValues;
  try {
    values = readOptions(list, known);
  } catch (error) {
    throw new Failure(wordsOf(error), { cause: error });
  }
  const below = { name: options.value('B'), format: options.value('F') };
  const fault = addBacking(values, known, below);
  if (fault !== undefined) throw new Failure(backingRefusal(fault, format));
  return values;
}

function isVersion2(values: OptionValues): boolean {
  return ['0.10', 'v2'].includes(values.get('compat')?.text ?? '');
}

/** Formats that hold compressed data. */
const COMPRESSIBLE: ReadonlySet<string> = new Set(['qcow', 'qcow2', 'vmdk']);

function refuseUncompressible({ options, format }: Conversion, values: OptionValues): void {
  if (!options.has('c')) return;
  if (!COMPRESSIBLE.has(format)) {
    throw new Failure('Compression not supported for this file format');
  }
  if (format === 'vmdk' && values.get('subformat')?.text.endsWith('Flat') === true) {
    throw new Failure('invalid cluster size');
  }
  if (values.get('encryption')?.value === true || values.has('encrypt.format')) {
    throw new Failure('Compression and encryption not supported at the same time');
  }
  const preallocation = values.get('preallocation')?.text ?? 'off';
  if (preallocation !== 'off') {
    throw new Failure('Compression and preallocation not supported at the same time');
  }
}

async function intoExisting(
  conversion: Conversion,
  disks: readonly DiskFile[],
  name: string,
  work: Work,
): Promise<ImageSource> {
  const { program, options, format } = conversion;
  checkCache(options.value('t'));
  const isOptions = options.has('target-image-opts');
  if (isOptions && options.has('O')) {
    throw new Failure('--image-opts and --format are mutually exclusive');
  }
  const source = imageSource(name, {
    ...(isOptions ? {} : { format }),
    isOptions,
    objects: work.objects,
  });
  const target = openImage(program, { source, writable: true });
  let isClosed = false;
  try {
    if (options.has('target-is-zero') && options.has('B')) {
      const words = 'Cannot use --target-is-zero when the destination image has a backing file';
      // QEMU says so, does nothing, and ends well.
      throw new Failure(words, { exitCode: program.isLookAlike ? 0 : 1 });
    }
    const total = disks.reduce((sum, { sizeBytes }) => sum + Math.ceil(sizeBytes / 512) * 512, 0);
    if (target.sizeBytes < total) throw new Failure('output file is smaller than input file');
    if (options.has('c')) refuseUncompressed(target);
    const bitmaps = bitmapsToCopy(conversion, disks[0]!, target);
    const { unreadable } = await convertDiskFile(disks, target, {
      ...commonOptions(conversion, work),
      targetIsZero: options.has('target-is-zero'),
    });
    copyBitmaps(disks[0]!, target, bitmaps.copied);
    tellSkipped(program, bitmaps.skipped);
    isClosed = true;
    await target.close();
    tellUnreadable(program, unreadable);
    return source;
  } catch (error) {
    const sources = disks.flatMap(filesOf);
    throw conversionWords(error, { target: name, format, values: new Map(), list: '', sources });
  } finally {
    if (!isClosed) closeQuietly(target);
  }
}

/** Of an image that is there. QEMU's driver of VMDK writes plainly where grains are not compressed. */
function refuseUncompressed({ format, topology, capabilities }: DiskFile): void {
  if (format !== 'vmdk' && capabilities.compression === undefined) {
    throw new Failure('Compression not supported for this file format');
  }
  if (format === 'vmdk' && topology.clusterBytes === 1) throw new Failure('invalid cluster size');
}

function tellUnreadable(
  program: Program,
  ranges: readonly { readonly guestOffset: number }[],
): void {
  const reason = hostErrorText('EIO');
  for (const { guestOffset } of ranges) {
    program.warn(`warning: error while reading offset ${guestOffset}: ${reason}`);
  }
}
