/** `map`: which bytes of the disk lie where. */
import { formatName, fullPath, requestReason } from '@diskfile/command';
import { dirname, isAbsolute, resolve } from 'node:path';
import { type BlockStatus, DiskError, type DiskFile, type ImageInfo } from 'diskfile';
import { CommandOptions } from '../arguments/options.ts';
import { MAX_INT64, sizeArgument } from '../arguments/sizes.ts';
import { backingPath } from '../images/backing-path.ts';
import { filePath } from '../images/file-path.ts';
import { imageSource, takesImageOptions } from '../images/image-source.ts';
import { openImage, withDisk } from '../images/open-image.ts';
import { Failure, type Program } from '../program.ts';
import { ALWAYS_PRESENT_FORMATS, UNMAPPED_FORMATS } from '../words/format-names.ts';

export function run(program: Program, args: readonly string[]): number {
  const options = new CommandOptions(program, 'map', args, {
    short: 'f:s:l:U',
    long: {
      object: 'object:',
      'image-opts': 'image-opts',
      format: 'f:',
      output: 'output:',
      'start-offset': 's:',
      'max-length': 'l:',
      'force-share': 'U',
    },
  });
  const range = {
    start: offsetOption(options, 's', 'start offset') ?? 0n,
    length: offsetOption(options, 'l', 'max length') ?? MAX_INT64,
  };
  const filename = options.theImage();
  const { isJson } = options;
  const isOptions = takesImageOptions(options, 'f');
  const { objects } = options;
  const disk = openImage(program, {
    source: imageSource(filename, { format: options.value('f'), isOptions, objects }),
    forceShare: options.has('U'),
  });
  withDisk(disk, () => {
    try {
      print(program, mappedRanges(disk, filename, range), isJson);
    } catch (error) {
      throw unreadable(error);
    }
  });
  return 0;
}

/** Tables that cannot be read, or say what cannot be. */
function unreadable(error: unknown): unknown {
  if (!(error instanceof DiskError)) return error;
  const reason = requestReason(error);
  return new Failure(`Could not read file metadata: ${reason}`, { cause: error });
}

function offsetOption(options: CommandOptions, name: string, what: string): bigint | undefined {
  const text = options.value(name);
  return text === undefined ? undefined : sizeArgument(what, text);
}

interface MappedRange {
  readonly start: number;
  readonly length: number;
  readonly depth: number;
  readonly present: boolean;
  readonly zero: boolean;
  readonly data: boolean;
  readonly offset: number | undefined;
  readonly filename: string | undefined;
}

function* mappedRanges(
  disk: DiskFile,
  filename: string,
  { start, length }: { start: bigint; length: bigint },
): Generator<MappedRange> {
  if (start >= BigInt(disk.sizeBytes)) {
    yield { ...NOTHING, start: Number(start) };
    return;
  }
  const from = Number(start);
  const left = BigInt(disk.sizeBytes) - start;
  const bytes = Number(length < left ? length : left);
  const images = mappedImages(disk, filename);
  let joined: MappedRange | undefined;
  for (const status of disk.blockStatusSync(from, bytes)) {
    const next = mappedRange(status, images);
    if (joined !== undefined && continues(joined, next)) {
      joined = { ...joined, length: joined.length + next.length };
    } else {
      if (joined !== undefined) yield joined;
      joined = next;
    }
  }
  yield joined ?? { ...NOTHING, start: from };
}

const NOTHING: Omit<MappedRange, 'start'> = {
  length: 0,
  depth: 0,
  present: false,
  zero: false,
  data: false,
  offset: undefined,
  filename: undefined,
};

/** One image of the chain. */
interface MappedImage {
  readonly format: string;
  readonly isFlat: boolean;
  readonly isEncrypted: boolean;
  /** Its directory as the user and the images above have named it, and what that is in full. */
  readonly directory: string;
  readonly fullDirectory: string;
}

function mappedImages(disk: DiskFile, filename: string): MappedImage[] {
  let path = shownName(filename);
  return disk.info().map((info) => {
    const directory = path.includes('/') ? `${dirname(path)}/` : '';
    const image = {
      format: formatName(info.format),
      isFlat: isFlat(info),
      isEncrypted: info.details['encryption'] !== undefined,
      directory,
      fullDirectory: `${fullPath(directory)}/`,
    };
    if (info.backing !== undefined) path = shownName(backingPath(path, info.backing.name));
    return image;
  });
}

function shownName(name: string): string {
  return filePath(name) ?? name;
}

/** Files beside an image are named as the image was. */
function shownPath(
  { directory, fullDirectory }: MappedImage,
  name: string | undefined,
): string | undefined {
  if (name === undefined || !isAbsolute(name)) return name;
  const full = resolve(name);
  return full.startsWith(fullDirectory) ? `${directory}${full.slice(fullDirectory.length)}` : name;
}

/** Whether parts of the disk lie in their files as they are; QEMU takes all of those for data. */
function isFlat({ format, details }: ImageInfo): boolean {
  if (format === 'vhd') return details['type'] === 'fixed';
  if (format !== 'vmdk') return false;
  const extents = details['extents'] as readonly { readonly grainBytes: number }[];
  return extents.some(({ grainBytes }) => grainBytes === 1);
}

function mappedRange(status: BlockStatus, images: readonly MappedImage[]): MappedRange {
  const { guestOffset, lengthBytes, depth, zero, data, allocated, compressed } = status;
  const image = images[depth]!;
  const { format } = image;
  const isUnmapped = UNMAPPED_FORMATS.has(format);
  const isKnown = zero || data;
  const hasPlace = !isUnmapped && !compressed && !image.isEncrypted;
  return {
    start: guestOffset,
    length: lengthBytes,
    depth,
    present: allocated || isUnmapped || (isKnown && ALWAYS_PRESENT_FORMATS.has(format)),
    zero: isUnmapped ? false : zero,
    data: isUnmapped || data || (image.isFlat && status.hostOffset !== undefined),
    offset: hasPlace ? status.hostOffset : undefined,
    filename: hasPlace ? shownPath(image, status.storageName) : undefined,
  };
}

function continues(one: MappedRange, next: MappedRange): boolean {
  const isNeighbour =
    one.offset === undefined
      ? next.offset === undefined
      : next.offset === one.offset + one.length && next.filename === one.filename;
  return (
    isNeighbour &&
    one.depth === next.depth &&
    one.present === next.present &&
    one.zero === next.zero &&
    one.data === next.data
  );
}

function print(program: Program, ranges: Iterable<MappedRange>, isJson: boolean): void {
  if (isJson) printJson(program, ranges);
  else printTable(program, ranges);
}

function printJson(program: Program, ranges: Iterable<MappedRange>): void {
  program.output.text('[');
  let separator = '';
  for (const { start, length, depth, present, zero, data, offset } of ranges) {
    const place = offset === undefined ? '' : `, "offset": ${offset}`;
    program.output.text(
      `${separator}{ "start": ${start}, "length": ${length}, "depth": ${depth}, ` +
        `"present": ${present}, "zero": ${zero}, "data": ${data}${place}}`,
    );
    separator = ',\n';
  }
  program.line(']');
}

function printTable(program: Program, ranges: Iterable<MappedRange>): void {
  program.line('Offset          Length          Mapped to       File');
  for (const { start, length, zero, data, offset, filename } of ranges) {
    if (!data || zero) continue;
    if (offset === undefined) {
      throw new Failure('File contains external, encrypted or compressed clusters.');
    }
    const columns = [start, length, offset].map((each) => hexadecimal(each).padEnd(16));
    program.line(`${columns.join('')}${filename}`);
  }
}

/** The `%#x` of printf(3). */
function hexadecimal(number: number): string {
  return number === 0 ? '0' : `0x${number.toString(16)}`;
}
