/** Commands that open and close disks. */
import { openingWarnings, repairUnclosed, shownFrom } from '@diskfile/command';
import { BlockOptions, parseKeyval } from 'diskfile';
import type { GivenArguments } from '../program/getopt.ts';
import { AIO_MODES, cacheMode, discardMode, NO_CACHE } from '../program/modes.ts';
import type { Command, Outcome } from '../shell/command.ts';
import { DEFAULT_REQUEST, openDisk, type OpenRequest } from '../shell/open-disk.ts';
import type { Session } from '../shell/session.ts';
import { canReopen } from '../text/format-habits.ts';
import { changeReason, openReason } from '../text/failure-words.ts';
import { joinedOptions } from './joined-options.ts';
import { NODE, refusalOf, refusalOfTemporary, trueChanges } from './reopen-refusal.ts';
import { Options, UsageFault } from './request-arguments.ts';

export const openCommand: Command = {
  name: 'open',
  alias: 'o',
  atLeast: 1,
  options: 'snCro:ki:t:d:U',
  synopsis: '[-rsCnkU] [-t cache] [-d discard] [-o options] [path]',
  summary: 'open the file specified by path',
  needsNoDisk: true,
  help:
    '\n opens a new file in the requested mode\n\n Example:\n' +
    " 'open -n -o driver=raw /tmp/data' - opens raw data file read-write, uncached\n\n" +
    ' Opens a file for subsequent use by all of the other qemu-io commands.\n' +
    ' -r, -- open file read-only\n' +
    ' -s, -- use snapshot file\n' +
    ' -C, -- use copy-on-read\n' +
    ' -n, -- disable host cache, short for -t none\n' +
    ' -U, -- force shared permissions\n' +
    ' -k, -- use kernel AIO implementation (Linux only, prefer use of -i)\n' +
    ' -i, -- use AIO mode (threads, native or io_uring)\n' +
    ' -t, -- use the given cache mode for the image\n' +
    ' -d, -- use the given discard mode for the image\n' +
    ' -o, -- options to be given to the block driver\n',
  async run(session, given) {
    const request = openRequest(session, given);
    if (request === undefined) return 'failed';
    if (given.operands.length > 1) throw new UsageFault();
    const [name] = given.operands;
    const isOptions = session.namesAreOptions && name !== undefined;
    const named = isOptions ? { options: parseOptions(session, name) } : { name };
    return await open(session, { ...request, ...named });
  },
};

/** Undefined, and said, for modes that there are not. */
function openRequest(session: Session, given: GivenArguments): OpenRequest | undefined {
  const { console } = session;
  const options = new Options(given);
  const wrong = (what: string, value: string): undefined => {
    console.error(`Invalid ${what} option: ${value}`);
  };
  let { cache, discards, nativeAio } = DEFAULT_REQUEST;
  for (const { name, value } of given.options) {
    if (name === 'o' && session.namesAreOptions) {
      console.out("--image-opts and 'open -o' are mutually exclusive\n");
      return undefined;
    }
    if (name === 'n') cache = NO_CACHE;
    if (name === 't') {
      const mode = cacheMode(value);
      if (mode === undefined) return wrong('cache', value);
      cache = mode;
    }
    if (name === 'd') {
      const mode = discardMode(value);
      if (mode === undefined) return wrong('discard', value);
      discards = mode;
    }
    if (name === 'i' && !AIO_MODES.has(value)) return wrong('aio', value);
    if (name === 'k' || name === 'i') nativeAio = name === 'k' || value === 'native';
  }
  return {
    ...DEFAULT_REQUEST,
    options: driverOptions(session, given),
    writable: !options.has('r'),
    forceShare: options.has('U'),
    copyOnRead: options.has('C'),
    temporary: options.has('s'),
    cache,
    discards,
    nativeAio,
  };
}

/** All `-o` together. */
function driverOptions(session: Session, given: GivenArguments): BlockOptions {
  const all = new BlockOptions();
  for (const { name, value } of given.options) {
    if (name === 'o') all.add(parseOptions(session, value));
  }
  return all;
}

export function parseOptions({ console }: Session, text: string): BlockOptions {
  return parseKeyval(text, undefined, {
    onShortForm: (word) => {
      console.error(`warning: short-form boolean option '${word}' deprecated`);
      console.err(`Please use ${word}=on instead\n`);
    },
  });
}

/** Opens what was asked for; a failure is said. */
export async function open(session: Session, request: OpenRequest): Promise<Outcome> {
  const { console } = session;
  if (session.opened !== undefined) {
    console.error("file open already, try 'help close'");
    return 'failed';
  }
  const values = [...request.options.entries()].map(([, value]) => String(value));
  const given = [request.name ?? '', ...values].join(' ');
  try {
    if (request.writable && !request.temporary && request.name !== undefined) {
      const format = request.options.peekText('driver');
      repairUnclosed(request.name, format, (line) => console.err(`${line}\n`));
    }
    const disk = await openDisk(request, session.objects);
    session.use({ disk, request });
    console.err(openingWarnings(console.name, disk.warnings));
    for (const { detail, message } of disk.warnings) {
      if (detail === 'graph.probed-raw') console.err(`WARNING: ${message}\n`);
    }
    return 'done';
  } catch (error) {
    session.endAtMismatch(error);
    const device = request.name === undefined ? '' : ` device ${request.name}`;
    const isWriting = request.writable && !request.temporary;
    const reason = shownFrom(given, openReason(error, isWriting), error);
    console.error(`can't open${device}: ${reason}`);
    return 'failed';
  }
}

export const closeCommand: Command = {
  name: 'close',
  alias: 'c',
  atLeast: 0,
  atMost: 0,
  summary: 'close the current open file',
  run: async (session) => ((await session.close()) ? 'done' : 'failed'),
};

export const reopenCommand: Command = {
  name: 'reopen',
  atLeast: 0,
  options: 'c:o:rw',
  synopsis: '[(-r|-w)] [-c cache] [-o options]',
  summary: 'reopens an image with new options',
  help:
    '\n Changes the open options of an already opened image\n\n Example:\n' +
    " 'reopen -o lazy-refcounts=on' - activates lazy refcount writeback on a qcow2 image\n\n" +
    ' -r, -- Reopen the image read-only\n' +
    ' -w, -- Reopen the image read-write\n' +
    ' -c, -- Change the cache mode to the given value\n' +
    " -o, -- Changes block driver options (cf. 'open' command)\n\n",
  async run(session, given) {
    const { console } = session;
    const options = new Options(given);
    const cacheName = options.get('c');
    const cache = cacheName === undefined ? undefined : cacheMode(cacheName);
    if (cacheName !== undefined && cache === undefined) {
      console.error(`Invalid cache option: ${cacheName}`);
      return 'failed';
    }
    if (given.options.filter(({ name }) => name === 'r' || name === 'w').length > 1) {
      console.error('Only one -r/-w option may be given');
      return 'failed';
    }
    const changes = driverOptions(session, given);
    if (given.operands.length > 0) throw new UsageFault();
    const { imageFormat } = session;
    if (!canReopen(imageFormat)) {
      console.error(
        `Block format '${imageFormat}' used by node '${NODE}' does not support reopening files`,
      );
      return 'failed';
    }
    const { request } = session.opened!;
    const all = session.disk.info();
    // What lies below a temporary overlay has no name that options could be for.
    const images = request.temporary ? all.slice(0, 1) : all;
    const refusal = refusalOf(request, { options, changes, images });
    if (refusal !== undefined) {
      console.error(refusal);
      return 'failed';
    }
    const wanted = { options, changes: trueChanges(changes, images), cache };
    return request.temporary ? reopenTemporary(session, wanted) : await reopen(session, wanted);
  },
};

interface Changes {
  readonly options: Options;
  readonly changes: BlockOptions;
  readonly cache: OpenRequest['cache'] | undefined;
}

/** A temporary overlay stays as it is, with what was written: no other could take its place. */
function reopenTemporary(session: Session, { options, changes, cache }: Changes): Outcome {
  const { console } = session;
  const { disk, request } = session.opened!;
  const writable = isWritableThen(request, options);
  const next = { ...request, writable, cache: cache ?? request.cache };
  const refusal = refusalOfTemporary(request, next, changes);
  if (refusal === undefined) {
    session.opened = { disk, request: next };
    return 'done';
  }
  console.error(refusal);
  return 'failed';
}

function isWritableThen({ writable }: OpenRequest, options: Options): boolean {
  return options.has('w') || (writable && !options.has('r'));
}

/** Where the disk cannot be opened in the new way, it is opened again in the old one. */
async function reopen(session: Session, { options, changes, cache }: Changes): Promise<Outcome> {
  const { console, opened } = session;
  const { request } = opened!;
  const joined = joinedOptions(request.options, changes);
  const writable = isWritableThen(request, options);
  const next = { ...request, options: joined, writable, cache: cache ?? request.cache };
  if (!(await session.close())) return 'failed';
  try {
    session.use({ disk: await openDisk(next, session.objects), request: next });
    return 'done';
  } catch (error) {
    const unknown = /does(?:n't| not) support the option '(.*)'$/s.exec(changeReason(error));
    session.use({ disk: await openDisk(request, session.objects), request });
    console.error(
      unknown === null ? changeReason(error) : `Cannot change the option '${unknown[1]}'`,
    );
    return 'failed';
  }
}
