/** `amend`: changes options of an image. */
import { formatName } from '@diskfile/command';
import { amendDiskFile, DiskError, type FormatOptions } from 'diskfile';
import {
  asksForHelp,
  joinOptionLists,
  optionHelp,
  type OptionValues,
  readOptions,
} from '../arguments/option-list.ts';
import { checkCache, CommandOptions } from '../arguments/options.ts';
import type { Outcome } from '../command.ts';
import { AMEND_OPTIONS, CREATE_OPTIONS } from '../formats/format-options.ts';
import { isKnownFormat, PROTOCOL_FORMATS } from '../formats/known-formats.ts';
import { chainTarget, inspect, isDetail } from '../images/chain-target.ts';
import { type ImageSource, imageSource, takesImageOptions } from '../images/image-source.ts';
import { openImage, withDisk } from '../images/open-image.ts';
import { Failure, type Program, usage } from '../program.ts';
import { QemuProgress } from '../report/qemu-progress.ts';
import { amendmentWords } from '../words/amendment-words.ts';
import { wordsOf } from '../words/disk-words.ts';
import { openFailure } from '../words/open-failure.ts';
import { amendKeySlots, areKeySlotOptions } from './amend-key-slots.ts';

export async function run(program: Program, args: readonly string[]): Promise<Outcome> {
  const options = new CommandOptions(program, 'amend', args, {
    short: 'f:o:t:pq',
    long: { object: 'object:', 'image-opts': 'image-opts', force: 'force' },
  });
  const lists = options.values('o');
  const list = joinOptionLists(lists);
  if (lists.length === 0) throw usage('Must specify options (-o)');
  const [filename] = options.operands;
  const stated = options.value('f');
  if (asksForHelp(list) && stated !== undefined) return printOptions(program, stated);
  if (options.operands.length !== 1) throw new Failure('Expecting one image file name');
  const isOptions = takesImageOptions(options, 'f');
  const { objects } = options;
  checkCache(options.value('t'));
  const source = imageSource(filename!, { format: stated, isOptions, objects });
  const { format, isEncrypted } = inspect(program, source);
  if (asksForHelp(list)) return printOptions(program, formatName(format));
  refuseUnamendable(
    stated !== undefined && PROTOCOL_FORMATS.has(stated) ? stated : formatName(format),
  );
  const values = readValues(formatName(format), list);
  const progress = new QemuProgress(program, options.has('p') && !options.has('q'));
  let isDone = false;
  try {
    const prefix = format === 'luks' ? '' : 'encrypt.';
    if (areKeySlotOptions(values, prefix)) {
      if (!isEncrypted) {
        throw new Failure("Can't amend encryption options - encryption not present");
      }
      await amendKeySlots(source, values, { prefix, force: options.has('force') });
    } else if (source.graph === undefined) {
      program.isWriting = true;
      const { target, options: how } = chainTarget(program, source);
      await amendDiskFile(target, amendments(values), how);
    } else amendGraph(program, source, amendments(values));
    isDone = true;
  } catch (error) {
    // As far as it gets, qemu-img has then done all.
    if (program.isLookAlike) progress.complete();
    if (isDetail(error, 'qcow2.marked-corrupt')) throw openFailure(source, error);
    if (error instanceof DiskError) throw amendmentWords(error, values);
    throw error;
  } finally {
    progress.finish(isDone);
  }
  return source;
}

/** What options describe may have files that the image does not name, or names wrongly. */
function amendGraph(program: Program, source: ImageSource, options: FormatOptions): void {
  withDisk(openImage(program, { source, writable: true }), ({ capabilities }) =>
    capabilities.amending!.amendSync(options),
  );
}

function printOptions(program: Program, format: string): number {
  if (!isKnownFormat(format)) throw new Failure(`Unknown file format '${format}'`);
  refuseUnamendable(format);
  program.output.text(optionHelp(`Amend options for '${format}'`, AMEND_OPTIONS[format]!));
  return 0;
}

function refuseUnamendable(format: string): void {
  if (AMEND_OPTIONS[format] !== undefined) return;
  throw new Failure(`Format driver '${format}' does not support option amendment`);
}

function readValues(format: string, list: string): OptionValues {
  try {
    return readOptions(list, AMEND_OPTIONS[format]!);
  } catch (error) {
    const tail = couldCreate(format, list)
      ? 'This option is only supported for image creation\n'
      : '';
    throw new Failure(wordsOf(error), { tail, cause: error });
  }
}

/** Whether every option and value of a list would do for a new image. */
function couldCreate(format: string, list: string): boolean {
  try {
    readOptions(list, CREATE_OPTIONS[format]!);
    return true;
  } catch {
    return false;
  }
}

function amendments(values: OptionValues): Record<string, string | number | boolean> {
  return Object.fromEntries(
    [...values].map(([name, { text, value }]) => [name, typeof value === 'bigint' ? text : value]),
  );
}
