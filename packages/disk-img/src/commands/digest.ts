/** `digest`: a hash of what a disk holds, equal for equal disks whatever their format. */
import { jsonText } from '@diskfile/command';
import { digest, DiskError } from 'diskfile';
import { CommandOptions } from '../arguments/options.ts';
import { imageSource, takesImageOptions } from '../images/image-source.ts';
import { openImage } from '../images/open-image.ts';
import { interruptible } from '../interrupts.ts';
import { Failure, type Program } from '../program.ts';
import { QemuProgress } from '../report/qemu-progress.ts';
import { wordsOf } from '../words/disk-words.ts';

export async function run(program: Program, args: readonly string[]): Promise<number> {
  const options = new CommandOptions(program, 'digest', args, {
    short: 'f:U',
    long: {
      object: 'object:',
      'image-opts': 'image-opts',
      format: 'f:',
      output: 'output:',
      'force-share': 'U',
    },
  });
  const { isJson } = options;
  const filename = options.theImage();
  const isOptions = takesImageOptions(options, 'f');
  const { objects } = options;
  const source = imageSource(filename, { format: options.value('f'), isOptions, objects });
  const disk = openImage(program, { source, forceShare: options.has('U') });
  const progress = new QemuProgress(program, false);
  const onProgress = progress.update;
  let isDone = false;
  try {
    const value = await interruptible((signal) => digest(disk, { signal, onProgress }));
    isDone = true;
    program.line(isJson ? jsonText({ filename, digest: value }) : `${value}  ${filename}`);
  } catch (error) {
    throw readingFailure(error, filename);
  } finally {
    progress.finish(isDone);
    await disk.close();
  }
  return 0;
}

function readingFailure(error: unknown, filename: string): unknown {
  if (!(error instanceof DiskError) || error.code === 'aborted') return error;
  const { guestOffset } = error.context;
  const where = guestOffset === undefined ? '' : ` near byte ${guestOffset} of the disk`;
  return new Failure(`error while reading '${filename}'${where}: ${wordsOf(error)}`, {
    cause: error,
  });
}
