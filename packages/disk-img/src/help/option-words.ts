/** What each option of a command is, for the help. */

/** Where commands mean the same by it. */
const COMMON: Readonly<Record<string, string>> = {
  '--object': 'defines an object that images are opened with: secret,id=ID,data=… or file=…',
  '--image-opts': 'image names are options: driver=qcow2,file.filename=…',
  '-B': 'the new image lies over this backing file, and has only what differs from it',
  '-b': 'backing file',
  '-f': 'format of the image; found out where it is left out',
  '-F': 'format of the backing file',
  '-l': 'take the state that this snapshot holds: ID or NAME, or snapshot.id=…,snapshot.name=…',
  '-O': 'format of the new image, raw by default',
  '-o': "options of the format, name=value,…; '-o help' lists them",
  '--output': 'human or json',
  '-p': 'show progress',
  '-q': 'print errors only',
  '-r': 'at most so many bytes in a second',
  '-t': 'cache mode of what is written: none, writeback, writethrough, directsync, unsafe',
  '-T': 'cache mode of what is read',
  '-U': 'read although another process is writing the image',
};

/** Where a command means something of its own. */
export const OWN_WORDS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  amend: { '--force': 'also do what may lock everybody out of the image' },
  bench: {
    '-c': 'number of requests',
    '-d': 'how many of them are under way at a time',
    '--flush-interval': 'flush after so many requests',
    '-i': 'how the host does them: threads, native, io_uring',
    '-n': 'use what the host has for doing them itself',
    '--no-drain': 'flush while requests are under way',
    '-o': 'where the first one begins',
    '--pattern': 'the byte that is written',
    '-s': 'bytes of one request',
    '-S': 'from the begin of one request to the next one',
    '-w': 'write rather than read',
  },
  bitmap: {
    '--add': 'make it',
    '--clear': 'mark everything as unchanged',
    '--disable': 'record no more changes',
    '--enable': 'record changes',
    '--merge': 'mark also what the bitmap SOURCE marks',
    '--remove': 'remove it',
    '-b': 'image that SOURCE is looked for in',
    '-F': 'format of that image',
    '-g': 'how many bytes one bit of a new bitmap stands for',
  },
  check: {
    '-r': 'repair: leaks gives back lost space, all repairs everything that can be',
  },
  commit: {
    '-b': 'an image further below to write into; the top keeps what it holds then',
    '-d': 'keep what the image holds',
  },
  compare: {
    '-F': 'format of the second image',
    '-s': 'other sizes and other allocation count as differences too',
  },
  convert: {
    '--bitmaps': 'copy the dirty bitmaps as well',
    '-c': 'compress',
    '-C': 'let the host copy where it can',
    '-m': 'how many copies are under way at a time',
    '-n': 'write into an image that is there',
    '--salvage': 'read what cannot be read as zeros',
    '-S': 'so many zero bytes become a hole; 0 keeps all as it is',
    '--skip-broken-bitmaps': 'leave bitmaps out that are not intact',
    '--target-image-opts': 'the name of the target is options',
    '--target-is-zero': 'the target of -n holds zeros only',
    '-W': 'write in any order',
  },
  create: {
    '-f': 'format of the new image, raw by default',
    '-u': 'do not look at the backing file; the size has to be given then',
    size: 'bytes, or with k, M, G, T, P, E; by default that of the backing file',
  },
  dd: {
    'bs=': 'bytes of a block, 512 by default',
    'count=': 'copy so many blocks',
    'if=': 'image to read',
    'of=': 'image to make',
    'skip=': 'leave out so many blocks of the beginning',
  },
  diff: {
    '--files': 'list files of the file systems inside',
    '-F': 'format of the second image',
  },
  fork: { clone: 'name of a second overlay' },
  info: { '--backing-chain': 'tell of all images below as well' },
  map: {
    '--max-length': 'how many bytes to list',
    '--start-offset': 'where to begin',
  },
  measure: { '--size': 'a disk of so many bytes, of which nothing is known' },
  rebase: {
    '-b': "the new backing file; '' for none",
    '-F': 'its format',
    '-u': 'change the name only: nothing is read, and nothing copied',
  },
  resize: {
    '--preallocation': 'for new space: off, metadata, falloc, full',
    '--shrink': 'allow that what lies behind the new end is lost',
    size: 'bytes, or with k, M, G, T, P, E; with a sign: so many more or fewer',
  },
  snapshot: {
    '-a': 'go back to a snapshot',
    '-c': 'make one',
    '-d': 'delete one',
    '-l': 'list all',
  },
};

export interface OptionWords {
  readonly option: string;
  readonly words: string;
}

/** All that are described for a command, in the order in which its syntax has them. */
export function optionWords(command: string, syntax: string): OptionWords[] {
  const words = { ...COMMON, ...OWN_WORDS[command] };
  return optionsIn(syntax)
    .filter((option) => words[option] !== undefined)
    .map((option) => ({ option, words: words[option]! }));
}

/** What commands share. */
export function commonWords(): OptionWords[] {
  return Object.entries(COMMON).map(([option, words]) => ({ option, words }));
}

/** Options, keywords of dd, and operands that stand for a number or a second image. */
export function optionsIn(syntax: string): string[] {
  const found =
    syntax.match(/(?<![\w-])(?:(?:--?[A-Za-z][a-z-]*|size|clone)(?![\w-])|[a-z]+=)/g) ?? [];
  return [...new Set(found)];
}
