/** Commands that write. */
import { readFileSync } from 'node:fs';
import type { GivenArguments } from '../program/getopt.ts';
import type { Command, Outcome } from '../shell/command.ts';
import { wasFreedInVain } from '../shell/freed-in-vain.ts';
import type { Session } from '../shell/session.ts';
import { atOnce, later, type TellFailure } from '../shell/tell-failure.ts';
import { discard, writeZeroes } from '../shell/zeroing.ts';
import { hostReason } from '../text/failure-words.ts';
import { ioReport } from '../text/io-report.ts';
import {
  ArgumentFault,
  judgeAsynchronous,
  judgePattern,
  lengthOf,
  numberOf,
  Options,
  patternIn,
  refuseUnaligned,
  UsageFault,
  vectorOf,
} from './request-arguments.ts';

const DEFAULT_PATTERN = 0xcd;
/** Bytes that are written at a time where a request is very long. */
const MAX_PIECE_BYTES = 64 * 1024 * 1024;

interface WriteRequest {
  readonly offset: number;
  readonly length: number;
  readonly options: Options;
  /** What the bytes are made of, repeated; undefined where they are zeros that need no bytes. */
  readonly content: Uint8Array;
  readonly verb: string;
}

const OPTION_HELP = {
  f: ' -f, -- use Force Unit Access semantics\n',
  P: ' -P, -- use different pattern to fill file\n',
  C: ' -C, -- report statistics in a machine parsable format\n',
  q: ' -q, -- quiet mode, do not show I/O statistics\n',
  u: ' -u, -- with -z, allow unmapping\n',
};
const SEGMENT_HELP =
  ' Writes into a segment of the currently open file, using a buffer\n' +
  ' filled with a set pattern (0xcdcdcdcd).\n';

export const writeCommand: Command = {
  name: 'write',
  alias: 'w',
  atLeast: 2,
  options: 'bcCfnpP:qs:uz',
  judge: judgePattern,
  synopsis: '[-bcCfnquz] [-P pattern | -s source_file] off len',
  summary: 'writes a number of bytes at a specified offset',
  writes: true,
  help:
    '\n writes a range of bytes from the given offset\n\n Example:\n' +
    " 'write 512 1k' - writes 1 kilobyte at 512 bytes into the open file\n\n" +
    SEGMENT_HELP +
    ' -b, -- write to the VM state rather than the virtual disk\n' +
    ' -c, -- write compressed data with blk_write_compressed\n' +
    OPTION_HELP.f +
    " -n, -- with -z, don't allow slow fallback\n" +
    ' -p, -- ignored for backwards compatibility\n' +
    OPTION_HELP.P +
    ' -s, -- use a pattern file to fill the write buffer\n' +
    OPTION_HELP.C +
    OPTION_HELP.q +
    OPTION_HELP.u +
    ' -z, -- write zeroes using blk_co_pwrite_zeroes\n\n',
  async run(session, given) {
    const options = new Options(given);
    const pattern = patternIn(options);
    if (given.operands.length !== 2) throw new UsageFault();
    refuseCombinations(options);
    const offset = numberOf(given.operands[0]!);
    const [, lengthText = ''] = given.operands;
    const length = options.has('n') ? numberOf(lengthText) : lengthOf(lengthText, ' without -n');
    if (options.has('b') || options.has('c')) refuseUnaligned(offset, length);
    const source = options.get('s');
    const content =
      source === undefined ? Uint8Array.of(pattern ?? DEFAULT_PATTERN) : sourceOf(session, source);
    if (content === undefined) return 'failed';
    return await write(session, { offset, length, options, content, verb: 'write' });
  },
};

export const writevCommand: Command = {
  name: 'writev',
  atLeast: 2,
  options: 'CfqP:',
  judge: judgePattern,
  synopsis: '[-Cfq] [-P pattern] off len [len..]',
  summary: 'writes a number of bytes at a specified offset',
  writes: true,
  help:
    '\n writes a range of bytes from the given offset source from multiple buffers\n\n Example:\n' +
    " 'writev 512 1k 1k' - writes 2 kilobytes at 512 bytes into the open file\n\n" +
    SEGMENT_HELP +
    OPTION_HELP.P +
    OPTION_HELP.C +
    OPTION_HELP.f +
    OPTION_HELP.q +
    '\n',
  run: async (session, given) =>
    await session.waitFor(() => write(session, { ...vectored(given), verb: 'writev' })),
};

export const aioWriteCommand: Command = {
  name: 'aio_write',
  atLeast: 2,
  options: 'CfiP:quz',
  judge: judgeAsynchronous,
  synopsis: '[-Cfiquz] [-P pattern] off len [len..]',
  summary: 'asynchronously writes a number of bytes',
  writes: true,
  help:
    '\n asynchronously writes a range of bytes from the given offset source\n' +
    ' from multiple buffers\n\n Example:\n' +
    " 'aio_write 512 1k 1k' - writes 2 kilobytes at 512 bytes into the open file\n\n" +
    SEGMENT_HELP +
    ' The write is performed asynchronously and the aio_flush command must be\n' +
    ' used to ensure all outstanding aio requests have been completed.\n' +
    ' Note that due to its asynchronous nature, this command will be\n' +
    ' considered successful once the request is submitted, independently\n' +
    ' of potential I/O errors or pattern mismatches.\n' +
    OPTION_HELP.P +
    OPTION_HELP.C +
    OPTION_HELP.f +
    ' -i, -- treat request as invalid, for exercising stats\n' +
    OPTION_HELP.q +
    OPTION_HELP.u +
    ' -z, -- write zeroes using blk_aio_pwrite_zeroes\n\n',
  run(session, given) {
    const options = new Options(given);
    if (options.has('i')) {
      session.console.out('injecting invalid write request\n');
      return 'done';
    }
    if (given.operands.length < 2) throw new UsageFault();
    if (options.has('z') && given.operands.length !== 2) {
      throw new ArgumentFault('-z supports only a single length parameter');
    }
    if (options.has('u') && !options.has('z')) {
      throw new ArgumentFault('-u requires -z to be specified');
    }
    const request = vectored(given, options.has('z') ? zerosOf : vectorOf);
    session.track((dataDone) =>
      write(session, { ...request, verb: 'aio_write' }, { dataDone, tellFailure: later(session) }),
    );
    return 'done';
  },
};

export const discardCommand: Command = {
  name: 'discard',
  alias: 'd',
  atLeast: 2,
  options: 'Cq',
  synopsis: '[-Cq] off len',
  summary: 'discards a number of bytes at a specified offset',
  writes: true,
  help:
    '\n discards a range of bytes from the given offset\n\n Example:\n' +
    " 'discard 512 1k' - discards 1 kilobyte from 512 bytes into the file\n\n" +
    ' Discards a segment of the currently open file.\n' +
    OPTION_HELP.C +
    OPTION_HELP.q +
    '\n',
  async run(session, given) {
    const options = new Options(given);
    if (given.operands.length !== 2) throw new UsageFault();
    const offset = numberOf(given.operands[0]!);
    const length = lengthOf(given.operands[1]!);
    const startedAt = performance.now();
    try {
      session.beginWriting();
      await discard(session.disk, session.imageFormat, { offset, length });
      session.gaveUp();
      // Space that is given up can be used again after a flush.
      await session.written(false);
    } catch (error) {
      const reason = session.reasonOf(error);
      if (!wasFreedInVain(session, error)) {
        session.console.out(`discard failed: ${reason}\n`);
        return 'failed';
      }
    } finally {
      session.endWriting();
    }
    const milliseconds = performance.now() - startedAt;
    if (options.has('q')) return 'done';
    const counts = { offset, asked: length, done: length };
    const terse = options.has('C');
    session.console.out(ioReport({ op: 'discard', ...counts, milliseconds, terse }));
    return 'done';
  },
};

function refuseCombinations(options: Options): void {
  const [b, c, f, n, u, z] = ['b', 'c', 'f', 'n', 'u', 'z'].map((name) => options.has(name));
  const refuse = (message: string) => {
    throw new ArgumentFault(message);
  };
  if (b && z) refuse('-b and -z cannot be specified at the same time');
  if (f && (b || c)) refuse('-f and -b or -c cannot be specified at the same time');
  if (n && !z) refuse('-n requires -z to be specified');
  if (u && !z) refuse('-u requires -z to be specified');
  const contents = ['z', 'P', 's'].filter((name) => options.has(name));
  if (contents.length > 1) refuse('Only one of -z, -P, and -s can be specified at the same time');
}

/** Content that a file gives; undefined, and said, where it gives none. */
function sourceOf({ console }: Session, path: string): Uint8Array | undefined {
  try {
    const content = readFileSync(path);
    if (content.length > 0) return content;
    console.err(`${path}: file is empty\n`);
  } catch (error) {
    console.err(`${path}: ${hostReason(error)}\n`);
  }
  return undefined;
}

/** Zeros need no buffer, and so may be more than one holds. */
function zerosOf([length]: readonly string[]): number {
  return numberOf(length!);
}

function vectored(
  given: GivenArguments,
  total: (lengths: readonly string[]) => number = vectorOf,
): Omit<WriteRequest, 'verb'> {
  const options = new Options(given);
  const pattern = patternIn(options) ?? DEFAULT_PATTERN;
  const [offsetText, ...lengths] = given.operands;
  if (offsetText === undefined || lengths.length === 0) throw new UsageFault();
  const offset = numberOf(offsetText);
  return { offset, length: total(lengths), options, content: Uint8Array.of(pattern) };
}

/** Who is told how a write goes. */
interface Ends {
  /** Called before what is written is made durable. */
  readonly dataDone?: () => void;
  readonly tellFailure?: TellFailure;
}

async function write(
  session: Session,
  request: WriteRequest,
  { dataDone = () => {}, tellFailure = atOnce(session) }: Ends = {},
): Promise<Outcome> {
  const { offset, length, options, verb } = request;
  const { console } = session;
  const startedAt = performance.now();
  try {
    session.beginWriting();
    await session.reuseClusters();
    await perform(session, request);
    if (options.has('z')) session.gaveUp();
    dataDone();
    // QEMU's driver makes compressed clusters durable with whatever comes later.
    if (!options.has('c')) await session.written(options.has('f'));
  } catch (error) {
    const reason = session.reasonOf(error);
    if (!wasFreedInVain(session, error)) {
      tellFailure(`${verb} failed: ${reason}\n`);
      return 'failed';
    }
  } finally {
    session.endWriting();
  }
  const milliseconds = performance.now() - startedAt;
  if (options.has('q')) return 'done';
  const counts = { offset, asked: length, done: length };
  console.out(ioReport({ op: 'wrote', ...counts, milliseconds, terse: options.has('C') }));
  return 'done';
}

async function perform(session: Session, request: WriteRequest): Promise<void> {
  const { offset, length, options, content } = request;
  if (options.has('z')) {
    const [mayUnmap, noFallback] = [options.has('u'), options.has('n')];
    const zeros = { offset, length, mayUnmap, noFallback };
    return await writeZeroes(session.disk, session.imageFormat, zeros);
  }
  if (!options.has('b')) session.checkRange(offset, length);
  for (let done = 0; done < length || done === 0;) {
    const bytes = Buffer.alloc(Math.min(MAX_PIECE_BYTES, length - done), repeated(content, done));
    const place = offset + done;
    if (options.has('b')) await session.writeState(bytes, place);
    else if (options.has('c')) await session.writeCompressed(bytes, place);
    else await session.disk.write(bytes, place);
    done += bytes.length;
    if (length === 0) break;
  }
}

/** The content as it goes on at a place of the request. */
function repeated(content: Uint8Array, at: number): Uint8Array {
  const shift = at % content.length;
  if (shift === 0) return content;
  return Buffer.concat([content.subarray(shift), content.subarray(0, shift)]);
}
