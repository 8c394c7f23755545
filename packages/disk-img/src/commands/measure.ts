/** `measure`: how large an image would become. */
import { jsonText } from '@diskfile/command';
import { type DiskFile, measureDiskFileSync, type MeasureDiskFileOptions } from 'diskfile';
import { joinOptionLists, type OptionValues, readOptions } from '../arguments/option-list.ts';
import { OptionFault } from '../arguments/getopt.ts';
import { CommandOptions, HelpWanted } from '../arguments/options.ts';
import { sizeArgument } from '../arguments/sizes.ts';
import { parseSnapshotParameter } from '../arguments/snapshot-parameter.ts';
import { createOptionsOf } from '../formats/format-options.ts';
import { isKnownFormat } from '../formats/known-formats.ts';
import { imageSource, takesImageOptions } from '../images/image-source.ts';
import { newImage } from '../images/new-image.ts';
import { withDisk } from '../images/open-image.ts';
import { openAtSnapshot } from '../images/open-snapshot.ts';
import { Failure, type Program } from '../program.ts';
import { creationWords } from '../words/creation-words.ts';
import { wordsOf } from '../words/disk-words.ts';

interface Measurement {
  readonly requiredBytes: number | bigint;
  readonly fullyAllocatedBytes: number | bigint;
  readonly bitmapsBytes?: number | undefined;
}

const SECTOR_BYTES = 512n;

const MEASURED: ReadonlySet<string> = new Set(['raw', 'qcow2', 'luks']);

export function run(program: Program, args: readonly string[]): number {
  const options = readArguments(program, args);
  const list = joinOptionLists(options.values('o'));
  const snapshot = options.values('l').map(parseSnapshotParameter).at(-1);
  const isJson = options.isJson;
  const sizeText = options.value('size');
  const size = sizeText === undefined ? undefined : sizeArgument('image size', sizeText);
  const { objects } = options;
  checkOperands(options, size);
  const [filename] = options.operands;
  const measure = (of: bigint | DiskFile): void => {
    print(program, measureIt(of, wantedImage(options, list)), isJson);
  };
  if (filename === undefined) {
    measure(size!);
    return 0;
  }
  const isOptions = takesImageOptions(options, 'f');
  const source = imageSource(filename, { format: options.value('f'), isOptions, objects });
  const disk = openAtSnapshot(program, { source, forceShare: options.has('U') }, snapshot);
  withDisk(disk, () => measure(disk));
  return 0;
}

const SHAPES = {
  short: 'f:l:o:O:U',
  long: {
    object: 'object:',
    'image-opts': 'image-opts',
    output: 'output:',
    size: 'size:',
    'force-share': 'U',
  },
};

/** qemu-img answers what it does not understand with the help here, as nowhere else. */
function readArguments(program: Program, args: readonly string[]): CommandOptions {
  try {
    return new CommandOptions(program, 'measure', args, SHAPES);
  } catch (error) {
    if (!program.isLookAlike || !(error instanceof OptionFault)) throw error;
    program.rawError(`measure: ${error.ownWords}\n`);
    throw new HelpWanted('measure');
  }
}

function checkOperands(options: CommandOptions, size: bigint | undefined): void {
  const { operands } = options;
  if (operands.length > 1) throw new Failure('At most one filename argument is allowed.');
  const needsFile = ['image-opts', 'f', 'l'].some((name) => options.has(name));
  if (operands.length === 0 && needsFile) {
    throw new Failure('--image-opts, -f, and -l require a filename argument.');
  }
  if (operands.length === 0 && size === undefined) {
    throw new Failure('Either --size N or one filename must be specified.');
  }
  if (operands.length === 1 && size !== undefined) {
    throw new Failure('--size N cannot be used together with a filename.');
  }
}

/** The image that is not made, and its options as they were given. */
interface WantedImage extends MeasureDiskFileOptions {
  readonly values: OptionValues;
}

function wantedImage(options: CommandOptions, list: string): WantedImage {
  const format = options.value('O') ?? 'raw';
  if (!isKnownFormat(format)) throw new Failure(`Unknown file format '${format}'`);
  const values = readValues(format, list);
  if (!MEASURED.has(format)) {
    throw new Failure(`Block driver '${format}' does not support size measurement`);
  }
  if (format === 'qcow2') refuseQcow2Values(values);
  // QEMU does not even look at it there.
  if (format === 'raw') values.delete('preallocation');
  const { sizeBytes: _, backing, ...image } = newImage(format, values, options.objects);
  if (format === 'luks' && image.passphrase === undefined) {
    throw new Failure("Parameter 'key-secret' is required for cipher");
  }
  return { format, hasBacking: backing !== undefined, ...image, values };
}

function readValues(format: string, list: string): OptionValues {
  const known = createOptionsOf(format);
  if (known === undefined) {
    throw new Failure(`Format driver '${format}' does not support image creation`);
  }
  try {
    return readOptions(list, known);
  } catch (error) {
    throw new Failure([wordsOf(error), `Invalid options for file format '${format}'`], {
      cause: error,
    });
  }
}

function checkedSize(size: bigint, format: string): number {
  if (size <= BigInt(Number.MAX_SAFE_INTEGER - 512)) return Number(size);
  throw tooLarge(format);
}

function tooLarge(format: string): Failure {
  const hint = format === 'qcow2' ? ' (try using a larger cluster size)' : '';
  return new Failure(`The image size is too large${hint}`);
}

const LEVELS: ReadonlySet<string> = new Set(['0.10', '1.1']);
const PREALLOCATIONS: ReadonlySet<string> = new Set(['off', 'metadata', 'falloc', 'full']);

/** Here QEMU reads options of qcow2 by themselves, and has other words for them. */
function refuseQcow2Values(values: OptionValues): void {
  const level = values.get('compat')?.text;
  if (level !== undefined && !LEVELS.has(level)) {
    throw new Failure(`Invalid compatibility level: '${level}'`);
  }
  const mode = values.get('preallocation')?.text;
  if (mode !== undefined && !PREALLOCATIONS.has(mode)) {
    throw new Failure(`invalid parameter value: ${mode}`);
  }
}

function measureIt(of: bigint | DiskFile, { values, ...options }: WantedImage): Measurement {
  const { format } = options;
  if (typeof of === 'bigint' && format === 'raw') return bytesAlone(of);
  const measured = typeof of === 'bigint' ? checkedSize(of, format) : of;
  try {
    return measureDiskFileSync(measured, options);
  } catch (error) {
    const words = creationWords(error, { format, path: '', values }).replace(
      'version=v3',
      'compat=1.1',
    );
    throw words.includes('too large') ? tooLarge(format) : new Failure(words, { cause: error });
  }
}

/** What raw images are made of, whether or not any file can be as long. */
function bytesAlone(size: bigint): Measurement {
  const bytes = ((size + SECTOR_BYTES - 1n) / SECTOR_BYTES) * SECTOR_BYTES;
  return { requiredBytes: bytes, fullyAllocatedBytes: bytes };
}

/** QEMU's JSON takes 2^63, to which the largest size is rounded, for its negative. */
function signed(bytes: number | bigint): number | bigint {
  return typeof bytes === 'bigint' ? BigInt.asIntN(64, bytes) : bytes;
}

function print(program: Program, measurement: Measurement, isJson: boolean): void {
  const { requiredBytes, fullyAllocatedBytes, bitmapsBytes } = measurement;
  if (isJson) {
    const document = {
      required: signed(requiredBytes),
      'fully-allocated': signed(fullyAllocatedBytes),
      bitmaps: bitmapsBytes,
    };
    program.line(jsonText(document));
    return;
  }
  program.line(`required size: ${requiredBytes}`);
  program.line(`fully allocated size: ${fullyAllocatedBytes}`);
  if (bitmapsBytes !== undefined) program.line(`bitmaps size: ${bitmapsBytes}`);
}
