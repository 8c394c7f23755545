/** Conversions that make the image which they fill. */
import { convertDiskFile, DiskError, type DiskFile, type UserObjects } from 'diskfile';
import { type OptionValues, readOptions } from '../arguments/option-list.ts';
import { checkCache } from '../arguments/options.ts';
import { backingFormatFault } from '../commands/create.ts';
import { createOptionsOf, type FormatOption } from '../formats/format-options.ts';
import { isKnownFormat } from '../formats/known-formats.ts';
import { checkBitmapSources, refuseBrokenBitmaps } from './copy-bitmaps.ts';
import { type ImageSource, imageSource } from '../images/image-source.ts';
import { addBacking, backingOf, backingRefusal, newImage } from '../images/new-image.ts';
import { openBelow } from '../images/open-below.ts';
import { removeSpoiled } from '../images/remove-spoiled.ts';
import { deviceFault, targetPath } from '../images/target-path.ts';
import { Failure } from '../program.ts';
import { conversionWords, filesOf } from '../words/conversion-words.ts';
import { wordsOf } from '../words/disk-words.ts';
import {
  commonOptions,
  type Conversion,
  keptBacking,
  refuseJoinedOver,
  tellSkipped,
  tellUnreadable,
  type Work,
} from './conversion.ts';

export async function intoNew(
  conversion: Conversion,
  disks: readonly DiskFile[],
  target: string,
  work: Work,
): Promise<ImageSource> {
  const { options, list, format, program } = conversion;
  const known = knownOptions(format);
  const values = readValues(conversion, known);
  const backing = backingOf(values);
  refuseJoinedOver(backing, disks);
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
  checkBitmapSources(options, disks);
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
        ...(backing === undefined ? {} : { backing: keptBacking(program, backing) }),
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

export function knownOptions(format: string): readonly FormatOption[] {
  if (!isKnownFormat(format)) throw new Failure(`Unknown file format '${format}'`);
  const known = createOptionsOf(format);
  if (known !== undefined) return known;
  throw new Failure(`Format driver '${format}' does not support image creation`);
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
