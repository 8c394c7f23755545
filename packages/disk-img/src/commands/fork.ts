/** `fork`: turns an image into the base of one or two overlays. */
import { DiskError, forkDiskFileSync } from 'diskfile';
import { CommandOptions } from '../arguments/options.ts';
import type { Outcome } from '../command.ts';
import { inspect } from '../images/chain-target.ts';
import { fileSource, imageSource } from '../images/image-source.ts';
import { OPEN_GATE } from '../images/open-image.ts';
import { Failure, type Program, usage } from '../program.ts';
import { wordsOf } from '../words/disk-words.ts';

export function run(program: Program, args: readonly string[]): Outcome {
  const options = new CommandOptions(program, 'fork', args, {
    short: 'f:q',
    long: { format: 'f:' },
  });
  const [filename, base, clone] = options.operands;
  if (base === undefined || options.operands.length > 3) {
    throw usage('Expecting an image, a name for it as the base, and perhaps one for a clone');
  }
  const format = options.value('f');
  inspect(program, imageSource(filename!, { format }), { backing: false });
  try {
    forkDiskFileSync(filename!, {
      base,
      gate: OPEN_GATE,
      ...(clone === undefined ? {} : { clone }),
      ...(format === undefined ? {} : { format }),
    });
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    throw new Failure(wordsOf(error), { cause: error });
  }
  if (!options.has('q')) program.remark('Image forked.');
  const overlays = clone === undefined ? [filename!] : [filename!, clone];
  return overlays.map((name) => fileSource(name, 'qcow2'));
}
