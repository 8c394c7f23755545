/** Commands that read. */
import type { Command, Outcome } from '../shell/command.ts';
import { atOnce, later } from '../shell/tell-failure.ts';
import type { Session } from '../shell/session.ts';
import { hexDump } from '../text/hex-dump.ts';
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

/** What is to be read, and what is done with it. */
interface ReadRequest {
  readonly offset: number;
  readonly length: number;
  readonly expected: Expected | undefined;
  readonly options: Options;
  /** What the request is called where it fails. */
  readonly verb: string;
}

/** What a part of the bytes read is to be full of. */
interface Expected {
  readonly pattern: number;
  readonly start: number;
  readonly length: number;
}

const OPTION_HELP = {
  C: ' -C, -- report statistics in a machine parsable format\n',
  P: ' -P, -- use a pattern to verify read data\n',
  q: ' -q, -- quiet mode, do not show I/O statistics\n',
  v: ' -v, -- dump buffer to standard output\n',
};
const SEGMENT_HELP =
  ' Reads a segment of the currently open file, optionally dumping it to the\n' +
  ' standard output stream (with -v option) for subsequent inspection.\n';

export const readCommand: Command = {
  name: 'read',
  alias: 'r',
  atLeast: 2,
  options: 'bCl:pP:qs:v',
  judge(option) {
    if (option.name === 'l' || option.name === 's') numberOf(option.value);
    return judgePattern(option);
  },
  synopsis: '[-abCqv] [-P pattern [-s off] [-l len]] off len',
  summary: 'reads a number of bytes at a specified offset',
  help:
    '\n reads a range of bytes from the given offset\n\n Example:\n' +
    " 'read -v 512 1k' - dumps 1 kilobyte read from 512 bytes into the file\n\n" +
    SEGMENT_HELP +
    ' -b, -- read from the VM state rather than the virtual disk\n' +
    OPTION_HELP.C +
    ' -l, -- length for pattern verification (only with -P)\n' +
    ' -p, -- ignored for backwards compatibility\n' +
    OPTION_HELP.P +
    OPTION_HELP.q +
    ' -s, -- start offset for pattern verification (only with -P)\n' +
    OPTION_HELP.v +
    '\n',
  async run(session, given) {
    const options = new Options(given);
    const pattern = patternIn(options);
    const start = numberOf(options.get('s') ?? '0');
    const partLength = options.get('l');
    const checked = partLength === undefined ? undefined : numberOf(partLength);
    if (given.operands.length !== 2) throw new UsageFault();
    const offset = numberOf(given.operands[0]!);
    const length = lengthOf(given.operands[1]!);
    if (pattern === undefined && (options.has('l') || options.has('s'))) throw new UsageFault();
    const expectedLength = checked ?? length - start;
    if (expectedLength < 0 || start + expectedLength > length) {
      throw new ArgumentFault('pattern verification range exceeds end of read data');
    }
    if (options.has('b')) refuseUnaligned(offset, length);
    const expected = pattern === undefined ? undefined : { pattern, start, length: expectedLength };
    return await read(session, { offset, length, expected, options, verb: 'read' });
  },
};

export const readvCommand: Command = {
  name: 'readv',
  atLeast: 2,
  options: 'CP:qv',
  judge: judgePattern,
  synopsis: '[-Cqv] [-P pattern] off len [len..]',
  summary: 'reads a number of bytes at a specified offset',
  help:
    '\n reads a range of bytes from the given offset into multiple buffers\n\n Example:\n' +
    " 'readv -v 512 1k 1k ' - dumps 2 kilobytes read from 512 bytes into the file\n\n" +
    SEGMENT_HELP +
    ' Uses multiple iovec buffers if more than one byte range is specified.\n' +
    OPTION_HELP.C +
    OPTION_HELP.P +
    OPTION_HELP.v +
    OPTION_HELP.q +
    '\n',
  run: async (session, given) =>
    await session.waitFor(() => read(session, { ...vectored(given), verb: 'readv' })),
};

export const aioReadCommand: Command = {
  name: 'aio_read',
  atLeast: 2,
  options: 'CiP:qv',
  judge: judgeAsynchronous,
  synopsis: '[-Ciqv] [-P pattern] off len [len..]',
  summary: 'asynchronously reads a number of bytes',
  help:
    '\n asynchronously reads a range of bytes from the given offset\n\n Example:\n' +
    " 'aio_read -v 512 1k 1k ' - dumps 2 kilobytes read from 512 bytes into the file\n\n" +
    SEGMENT_HELP +
    ' The read is performed asynchronously and the aio_flush command must be\n' +
    ' used to ensure all outstanding aio requests have been completed.\n' +
    ' Note that due to its asynchronous nature, this command will be\n' +
    ' considered successful once the request is submitted, independently\n' +
    ' of potential I/O errors or pattern mismatches.\n' +
    OPTION_HELP.C +
    OPTION_HELP.P +
    ' -i, -- treat request as invalid, for exercising stats\n' +
    OPTION_HELP.v +
    OPTION_HELP.q +
    '\n',
  run(session, given) {
    if (new Options(given).has('i')) {
      session.console.out('injecting invalid read request\n');
      return 'done';
    }
    const request = vectored(given);
    session.track(() => read(session, { ...request, verb: 'readv' }, later(session)));
    return 'done';
  },
};

function vectored(given: Parameters<Command['run']>[1]): Omit<ReadRequest, 'verb'> {
  const options = new Options(given);
  const pattern = patternIn(options);
  const [offsetText, ...lengths] = given.operands;
  if (offsetText === undefined || lengths.length === 0) throw new UsageFault();
  const offset = numberOf(offsetText);
  const length = vectorOf(lengths);
  const expected = pattern === undefined ? undefined : { pattern, start: 0, length };
  return { offset, length, expected, options };
}

async function read(
  session: Session,
  request: ReadRequest,
  tellFailure = atOnce(session),
): Promise<Outcome> {
  const { offset, length, expected, options, verb } = request;
  const { console } = session;
  const startedAt = performance.now();
  let bytes: Uint8Array;
  try {
    bytes = await session.read(offset, length, options.has('b'));
  } catch (error) {
    tellFailure(`${verb} failed: ${session.reasonOf(error)}\n`);
    return 'failed';
  }
  const milliseconds = performance.now() - startedAt;
  let outcome: Outcome = 'done';
  if (expected !== undefined && !isFullOf(bytes, expected)) {
    const at = offset + expected.start;
    console.out(`Pattern verification failed at offset ${at}, ${expected.length} bytes\n`);
    outcome = 'failed';
  }
  if (options.has('q')) return outcome;
  if (options.has('v')) for (const line of hexDump(bytes, offset)) console.out(line);
  const terse = options.has('C');
  const counts = { offset, asked: length, done: length };
  console.out(ioReport({ op: 'read', ...counts, milliseconds, terse }));
  return outcome;
}

function isFullOf(bytes: Uint8Array, { pattern, start, length }: Expected): boolean {
  const part = Buffer.from(bytes.buffer, bytes.byteOffset + start, length);
  if (length === 0) return true;
  // Each byte equals the one before, and the first is as expected.
  return part[0] === pattern && part.subarray(1).equals(part.subarray(0, -1));
}
