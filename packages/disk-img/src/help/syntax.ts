/** Which commands there are, what each is for, and how it is written. */

export interface CommandSyntax {
  readonly purpose: string;
  readonly syntax: string;
  /** What a document of JSON holds, where the command does not make or change an image. */
  readonly document?: string;
}

const OBJECT = '[--object objectdef]';
const SOURCE = `${OBJECT} [--image-opts]`;

/** Commands that qemu-img has as well come first, in its order. */
export const SYNTAX: Readonly<Record<string, CommandSyntax>> = {
  amend: {
    purpose: 'Changes options that an image was made with, and the key slots of encrypted ones.',
    syntax: `amend ${SOURCE} [-p] [-q] [-f fmt] [--output=ofmt] [-t cache] [--force] -o options filename`,
  },
  bench: {
    purpose: 'Measures how fast requests to an image are answered.',
    syntax:
      'bench [-c count] [-d depth] [-f fmt] [--flush-interval=flush_interval] [-i aio] [-n] [--no-drain] [-o offset] [--output=ofmt] [--pattern=pattern] [-q] [-s buffer_size] [-S step_size] [-t cache] [-w] [-U] filename',
    document: 'the figures',
  },
  bitmap: {
    purpose: 'Changes the dirty bitmaps of an image; several actions are done in their order.',
    syntax: `bitmap (--merge SOURCE | --add | --remove | --clear | --enable | --disable)... [-b source_file [-F source_fmt]] [-g granularity] ${OBJECT} [--image-opts | -f fmt] [--output=ofmt] filename bitmap`,
  },
  check: {
    purpose:
      'Looks for damage. Exit codes: 0 sound, 1 not checked, 2 damaged, 3 only space is lost, 63 the format has no check.',
    syntax: `check ${SOURCE} [-q] [-f fmt] [--output=ofmt] [-r [leaks | all]] [-T src_cache] [-U] filename`,
    document: 'what was found',
  },
  commit: {
    purpose: 'Writes what an image holds into the one below it, and empties it.',
    syntax: `commit ${SOURCE} [-q] [-f fmt] [-t cache] [-b base] [--output=ofmt] [-r rate_limit] [-d] [-p] filename`,
    document: "what 'info' tells of the image that was written to",
  },
  compare: {
    purpose:
      'Compares what two images hold. Exit codes: 0 the same, 1 not the same, above that a failure.',
    syntax: `compare ${SOURCE} [-f fmt] [-F fmt] [--output=ofmt] [-T src_cache] [-p] [-q] [-s] [-U] filename1 filename2`,
    document: 'what was found',
  },
  convert: {
    purpose: 'Copies images, one behind the other, into a new one of any format.',
    syntax: `convert ${SOURCE} [--target-image-opts] [--target-is-zero] [--bitmaps [--skip-broken-bitmaps]] [-U] [-C] [-c] [-p] [-q] [-n] [-f fmt] [-t cache] [-T src_cache] [-O output_fmt] [-B backing_file [-F backing_fmt]] [-o options] [--output=ofmt] [-l snapshot_param] [-S sparse_size] [-r rate_limit] [-m num_coroutines] [-W] [--salvage] filename [filename2 [...]] output_filename`,
  },
  create: {
    purpose: 'Makes a new image.',
    syntax: `create ${OBJECT} [-q] [-f fmt] [-b backing_file [-F backing_fmt]] [-u] [-o options] [--output=ofmt] filename [size]`,
  },
  dd: {
    purpose: 'Copies a range of blocks into a new image.',
    syntax:
      'dd [--image-opts] [-U] [-f fmt] [-O output_fmt] [--output=ofmt] [bs=block_size] [count=blocks] [skip=blocks] if=input of=output',
  },
  info: {
    purpose: 'Tells what an image is.',
    syntax: `info ${SOURCE} [-f fmt] [--output=ofmt] [--backing-chain] [-U] filename`,
    document: 'what the image is',
  },
  map: {
    purpose: 'Lists the ranges of an image: what is data, and which file it lies in.',
    syntax: `map ${SOURCE} [-f fmt] [--start-offset=offset] [--max-length=len] [--output=ofmt] [-U] filename`,
    document: 'the ranges',
  },
  measure: {
    purpose: 'Tells how large the file of a new image would become.',
    syntax: `measure [--output=ofmt] [-O output_fmt] [-o options] [--size N | ${SOURCE} [-f fmt] [-l snapshot_param] filename]`,
    document: 'the sizes',
  },
  snapshot: {
    purpose: 'Lists and changes the snapshots inside an image.',
    syntax: `snapshot ${SOURCE} [-U] [-q] [--output=ofmt] [-l | -a snapshot | -c snapshot | -d snapshot] filename`,
    document: "with -l the list, without it what 'info' tells of the image",
  },
  rebase: {
    purpose: 'Lays an image over another backing file; what it reads as stays the same.',
    syntax: `rebase ${SOURCE} [-U] [-q] [-f fmt] [--output=ofmt] [-t cache] [-T src_cache] [-p] [-u] -b backing_file [-F backing_fmt] filename`,
  },
  resize: {
    purpose: 'Makes a disk larger or smaller. What is inside of it is not adapted.',
    syntax: `resize ${SOURCE} [-f fmt] [--output=ofmt] [--preallocation=prealloc] [-q] [--shrink] filename [+ | -]size`,
  },
  diff: {
    purpose:
      'Tells which ranges of two images differ, or which files inside of them. Exit codes: 0 none, 1 some, 2 a failure, or files that cannot be compared.',
    syntax: `diff ${SOURCE} [--files] [-f fmt] [-F fmt] [--output=ofmt] [-p] [-q] [-U] filename1 filename2`,
    document: 'the differences',
  },
  digest: {
    purpose:
      'Hashes what a disk holds: the same for the same content in any format. Holes are not read.',
    syntax: `digest ${SOURCE} [-f fmt] [--output=ofmt] [-U] filename`,
    document: 'the hash',
  },
  flatten: {
    purpose: 'Copies what is below an image into it, so that it stands alone.',
    syntax: 'flatten [-f fmt] [--output=ofmt] [-p] [-q] filename',
  },
  fork: {
    purpose: 'Moves an image to the name base, and lays new overlays over it: one or two.',
    syntax: 'fork [-f fmt] [--output=ofmt] [-q] filename base [clone]',
    document: "what 'info' tells of each overlay",
  },
};
