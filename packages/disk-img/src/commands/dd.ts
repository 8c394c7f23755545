/** `dd`: copies blocks of a disk into a new image. */
import { requestReason } from '@diskfile/command';
import { convertDiskFile, DiskError, type DiskFile, sliceDisk } from 'diskfile';
import { CommandOptions } from '../arguments/options.ts';
import { MAX_INT64, sizeArgument } from '../arguments/sizes.ts';
import type { Outcome } from '../command.ts';
import { createOptionsOf } from '../formats/format-options.ts';
import { isKnownFormat } from '../formats/known-formats.ts';
import { imageSource } from '../images/image-source.ts';
import { OPEN_GATE, openImage } from '../images/open-image.ts';
import { deviceFault, targetPath } from '../images/target-path.ts';
import { interruptible } from '../interrupts.ts';
import { Failure, type Program } from '../program.ts';
import { QemuProgress } from '../report/qemu-progress.ts';
import { conversionWords, filesOf } from '../words/conversion-words.ts';

const MAX_BLOCK_BYTES = 2n ** 31n - 1n;
const DEFAULT_BLOCK_BYTES = 512n;

export async function run(program: Program, args: readonly string[]): Promise<Outcome> {
  const options = new CommandOptions(program, 'dd', args, {
    short: 'f:O:U',
    long: { object: 'object:', 'image-opts': 'image-opts', 'force-share': 'U' },
  });
  const operands = readOperands(options.operands);
  if (operands.input === undefined || operands.output === undefined) {
    throw new Failure('Must specify both input and output files');
  }
  const isOptions = options.has('image-opts');
  if (isOptions && options.has('f')) {
    throw new Failure('--image-opts and --format are mutually exclusive');
  }
  const { objects } = options;
  const format = options.value('O') ?? 'raw';
  const source = imageSource(operands.input, { format: options.value('f'), isOptions, objects });
  const disk = openImage(program, { source, forceShare: options.has('U') });
  try {
    if (!isKnownFormat(format)) throw new Failure('Unknown file format');
    if (createOptionsOf(format) === undefined) {
      throw new Failure(`Format driver '${format}' does not support image creation`);
    }
    await copyBlocks(program, disk, operands, format);
  } finally {
    await disk.close();
  }
  return imageSource(operands.output, { format });
}

interface Operands {
  readonly input: string | undefined;
  readonly output: string | undefined;
  readonly blockBytes: bigint;
  readonly count: bigint | undefined;
  readonly skip: bigint;
}

function readOperands(given: readonly string[]): Operands {
  const values = new Map<string, string>();
  for (const operand of given) {
    const equals = operand.indexOf('=');
    const name = equals === -1 ? operand : operand.slice(0, equals);
    if (equals === -1 || !['bs', 'count', 'if', 'of', 'skip'].includes(name)) {
      throw new Failure(`unrecognized operand ${name}`);
    }
    values.set(name, operand.slice(equals + 1));
    // Each is judged where it stands.
    if (name !== 'if' && name !== 'of') number(values, name);
  }
  return {
    input: values.get('if'),
    output: values.get('of'),
    blockBytes: number(values, 'bs') ?? DEFAULT_BLOCK_BYTES,
    count: number(values, 'count'),
    skip: number(values, 'skip') ?? 0n,
  };
}

function number(values: ReadonlyMap<string, string>, name: string): bigint | undefined {
  const text = values.get(name);
  if (text === undefined) return undefined;
  const range = name === 'bs' ? { min: 1n, max: MAX_BLOCK_BYTES } : { min: 0n, max: MAX_INT64 };
  return sizeArgument(name, text, range);
}

async function copyBlocks(
  program: Program,
  disk: DiskFile,
  { input, output, blockBytes, count, skip }: Operands,
  format: string,
): Promise<void> {
  const whole = BigInt(disk.sizeBytes);
  const wanted = count === undefined ? whole : count * blockBytes;
  const end = wanted < whole ? wanted : whole;
  const skipped = skip * blockBytes;
  const startBytes = Number(skipped < end ? skipped : end);
  const part = sliceDisk(disk, { startBytes, lengthBytes: Number(end) - startBytes });
  const progress = new QemuProgress(program, false);
  const onProgress = progress.update;
  let isDone = false;
  try {
    const noDevice = deviceFault(output!, format);
    if (noDevice !== undefined) {
      throw new Failure(`${output}: error while creating output image: ${noDevice}`);
    }
    await interruptible((signal) =>
      convertDiskFile(part, targetPath(output!, format), {
        format,
        sparseBytes: 0,
        overwrite: true,
        durable: false,
        gate: OPEN_GATE,
        signal,
        onProgress,
      }),
    );
    // QEMU looks at that once the image is made, and has nothing to copy then.
    if (skipped > end) program.warn(`${input}: cannot skip to specified offset`);
    isDone = true;
  } catch (error) {
    if (error instanceof DiskError && error.context.request !== undefined) {
      const isWrite = error.context.request === 'write';
      const what = isWrite ? 'writing to output' : 'reading from input';
      const reason = requestReason(error);
      throw new Failure(`error while ${what} image file: ${reason}`, { cause: error });
    }
    const sources = filesOf(disk);
    const purpose = { while: 'creating output image', values: new Map(), list: '', sources };
    throw conversionWords(error, { target: output!, format, ...purpose });
  } finally {
    progress.finish(isDone);
    await part.close();
  }
}
