/** `flatten`: makes an image independent of those below it. */
import { DiskError, flattenDiskFile } from 'diskfile';
import { CommandOptions } from '../arguments/options.ts';
import type { Outcome } from '../command.ts';
import { chainTarget, inspect } from '../images/chain-target.ts';
import { imageSource } from '../images/image-source.ts';
import { interruptible } from '../interrupts.ts';
import { Failure, type Program } from '../program.ts';
import { QemuProgress } from '../report/qemu-progress.ts';
import { wordsOf } from '../words/disk-words.ts';

export async function run(program: Program, args: readonly string[]): Promise<Outcome> {
  const options = new CommandOptions(program, 'flatten', args, {
    short: 'f:pq',
    long: { format: 'f:' },
  });
  const source = imageSource(options.theImage(), { format: options.value('f') });
  if (!inspect(program, source).hasBelow) {
    if (!options.has('q')) program.remark('There is nothing below the image.');
    return source;
  }
  const progress = new QemuProgress(program, options.has('p') && !options.has('q'));
  let isDone = false;
  try {
    const { target, options: how } = chainTarget(program, source);
    const onProgress = progress.update;
    await interruptible((signal) => flattenDiskFile(target, { ...how, onProgress, signal }));
    isDone = true;
  } catch (error) {
    if (!(error instanceof DiskError) || error.code === 'aborted') throw error;
    throw new Failure(wordsOf(error), { cause: error });
  } finally {
    progress.finish(isDone);
  }
  if (!options.has('q')) program.remark('Image flattened.');
  return source;
}
