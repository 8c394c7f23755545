/** Conversions into an image that is there. */
import { convertDiskFile, type DiskFile } from 'diskfile';
import { checkCache } from '../arguments/options.ts';
import {
  bitmapsToCopy,
  checkBitmapSources,
  checkBitmapTarget,
  copyBitmaps,
} from './copy-bitmaps.ts';
import { type ImageSource, imageSource } from '../images/image-source.ts';
import { closeQuietly, openImage } from '../images/open-image.ts';
import { Failure } from '../program.ts';
import { conversionWords, filesOf } from '../words/conversion-words.ts';
import {
  commonOptions,
  type Conversion,
  keptBacking,
  refuseJoinedOver,
  tellSkipped,
  tellUnreadable,
  type Work,
} from './conversion.ts';

export async function intoExisting(
  conversion: Conversion,
  disks: readonly DiskFile[],
  name: string,
  work: Work,
): Promise<ImageSource> {
  const { program, options, format } = conversion;
  if (options.has('target-is-zero') && options.has('B')) {
    const words = 'Cannot use --target-is-zero when the destination image has a backing file';
    // QEMU says so, does nothing, and ends well.
    throw new Failure(words, { exitCode: program.isLookAlike ? 0 : 1 });
  }
  refuseJoinedOver(options.value('B'), disks);
  checkBitmapSources(options, disks);
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
    checkBitmapTarget(conversion, target);
    const isCompressed = options.has('c');
    if (isCompressed) refuseUncompressed(target);
    const total = disks.reduce((sum, { sizeBytes }) => sum + Math.ceil(sizeBytes / 512) * 512, 0);
    if (target.sizeBytes < total) throw new Failure('output file is smaller than input file');
    if (isCompressed) refuseFlat(target);
    const bitmaps = bitmapsToCopy(conversion, disks[0]!);
    const backing = options.value('B');
    const { unreadable } = await convertDiskFile(disks, target, {
      ...commonOptions(conversion, work),
      ...(backing === undefined ? {} : { backing: keptBacking(program, { name: backing }) }),
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
function refuseUncompressed({ format, capabilities }: DiskFile): void {
  if (format !== 'vmdk' && capabilities.compression === undefined) {
    throw new Failure('Compression not supported for this file format');
  }
}

/** Comes after the look at the size. */
function refuseFlat({ format, topology }: DiskFile): void {
  if (format === 'vmdk' && topology.clusterBytes === 1) throw new Failure('invalid cluster size');
}
