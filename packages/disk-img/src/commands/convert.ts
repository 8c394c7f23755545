/** `convert`: copies disks into an image of any format. */
import type { DiskFile } from 'diskfile';
import { checkCombinations, readSettings } from '../conversion/convert-settings.ts';
import { asksForHelp, joinOptionLists, optionHelp } from '../arguments/option-list.ts';
import { checkSourceCache, CommandOptions } from '../arguments/options.ts';
import type { Outcome } from '../command.ts';
import type { Conversion } from '../conversion/conversion.ts';
import { intoExisting } from '../conversion/into-existing.ts';
import { intoNew, knownOptions } from '../conversion/into-new.ts';
import { type ImageSource, imageSource, takesImageOptions } from '../images/image-source.ts';
import { closeQuietly } from '../images/open-image.ts';
import { openAtSnapshot } from '../images/open-snapshot.ts';
import { interruptible } from '../interrupts.ts';
import { Failure, type Program } from '../program.ts';
import { QemuProgress } from '../report/qemu-progress.ts';
import { formatOptionHelp } from './create.ts';

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
    return await interruptible((signal) =>
      options.has('n')
        ? intoExisting(conversion, disks, target, { progress, signal, objects })
        : intoNew(conversion, disks, target, { progress, signal, objects }),
    );
  } finally {
    for (const disk of disks) closeQuietly(disk);
  }
}
