/** `commit`: writes what an image holds into the one below it. */
import { requestReason } from '@diskfile/command';
import { commitDiskFile, type CommitResult, DiskError } from 'diskfile';
import { checkCache, CommandOptions } from '../arguments/options.ts';
import { sizeArgument } from '../arguments/sizes.ts';
import type { Outcome } from '../command.ts';
import { chainTarget, inspect, isDetail } from '../images/chain-target.ts';
import { fileSource, imageSource, takesImageOptions } from '../images/image-source.ts';
import { interruptible } from '../interrupts.ts';
import { Failure, type Program } from '../program.ts';
import { QemuProgress } from '../report/qemu-progress.ts';
import { wordsOf } from '../words/disk-words.ts';

/** What QEMU's driver has no way to empty. */
const KEPT_FORMATS: ReadonlySet<string> = new Set(['qed']);

export async function run(program: Program, args: readonly string[]): Promise<Outcome> {
  const options = new CommandOptions(program, 'commit', args, {
    short: 'f:t:b:dpqr:',
    long: { object: 'object:', 'image-opts': 'image-opts' },
  });
  const rate = options.value('r');
  // 0 stands for no limit.
  const bytesPerSecond =
    rate === undefined ? undefined : Number(sizeArgument('rate limit', rate)) || undefined;
  const filename = options.theImage();
  const isOptions = takesImageOptions(options, 'f');
  const { objects } = options;
  checkCache(options.value('t'));
  const source = imageSource(filename, { format: options.value('f'), isOptions, objects });
  const { hasBelow, format: topFormat } = inspect(program, source);
  const base = options.value('b');
  const isQuiet = options.has('q');
  const progress = new QemuProgress(program, options.has('p') && !isQuiet);
  let result: CommitResult | undefined;
  let isCopying = false;
  try {
    if (!hasBelow) throw nothingBelow(filename, base);
    const { target, options: how } = chainTarget(program, source);
    result = await interruptible((signal) =>
      commitDiskFile(target, {
        ...how,
        ...(base === undefined ? {} : { base }),
        ...(bytesPerSecond === undefined ? {} : { bytesPerSecond }),
        keepContent: options.has('d') || KEPT_FORMATS.has(topFormat),
        onProgress: (done) => {
          isCopying = true;
          progress.update(done);
        },
        signal,
      }),
    );
  } catch (error) {
    throw commitFailure(error, { filename, base, isCopying });
  } finally {
    progress.finish(result !== undefined);
  }
  if (!isQuiet) program.remark('Image committed.');
  const { path, format } = result.base;
  return fileSource(path, format);
}

interface Commit {
  readonly filename: string;
  readonly base: string | undefined;
  /** Whether the files are open and data is under way. */
  readonly isCopying: boolean;
}

function commitFailure(error: unknown, { filename, base, isCopying }: Commit): unknown {
  if (!(error instanceof DiskError)) return error;
  if (error.detail === 'chain.not-emptied') {
    return new Failure(`Failed to empty ${filename}: ${requestReason(error)}`, { cause: error });
  }
  const words =
    isCopying && error.code !== 'aborted'
      ? `Block job failed: ${requestReason(error)}`
      : wordsOf(error);
  if (isDetail(error, 'chain.base-not-found')) {
    return nothingBelow(filename, base, error);
  }
  return new Failure(words, { cause: error });
}

function nothingBelow(filename: string, base: string | undefined, cause?: unknown): Failure {
  if (base === undefined) return new Failure('Image does not have a backing file', { cause });
  return new Failure(`Did not find '${base}' in the backing chain of '${filename}'`, { cause });
}
