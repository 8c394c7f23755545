/** `bench`: how long requests to a disk take. */
import { jsonText, type JsonValue } from '@diskfile/command';
import { benchDisk, type BenchOptions } from 'diskfile';
import { CommandOptions, isCacheMode } from '../arguments/options.ts';
import { sizeArgument } from '../arguments/sizes.ts';
import { imageSource, takesImageOptions } from '../images/image-source.ts';
import { openImage } from '../images/open-image.ts';
import { interruptible } from '../interrupts.ts';
import { Failure, type Program } from '../program.ts';

const MAX_INT = 2n ** 31n - 1n;

export async function run(program: Program, args: readonly string[]): Promise<number> {
  const options = new CommandOptions(program, 'bench', args, {
    short: 'c:d:f:ni:o:qs:S:t:wU',
    long: {
      pattern: 'pattern:',
      'flush-interval': 'flush-interval:',
      'no-drain': 'no-drain',
      'image-opts': 'image-opts',
      // The genuine command knows of no secrets here.
      ...(program.isLookAlike ? {} : { object: 'object:' }),
      'force-share': 'U',
    },
  });
  const settings = readSettings(options);
  const filename = options.theImage();
  const isOptions = takesImageOptions(options, 'f');
  const { objects } = options;
  const source = imageSource(filename, { format: options.value('f'), isOptions, objects });
  checkFlushes(settings);
  refuseNative(options, filename);
  const disk = openImage(program, {
    source,
    writable: settings.write === true,
    forceShare: options.has('U'),
  });
  try {
    const bench = { ...settings, stepBytes: settings.stepBytes ?? settings.requestBytes };
    if (!program.isJson) program.output.text(announcement(bench));
    // Into a pipe, qemu-img says so when it ends.
    if (!program.isLookAlike || program.output.isTerminal) program.output.flush();
    const milliseconds = await interruptible((signal) =>
      benchDisk(disk, { ...bench, signal }),
    ).catch(failedRequest);
    if (program.isJson) program.line(jsonText(figures(bench, milliseconds)));
    else program.line(`Run completed in ${(milliseconds / 1000).toFixed(3)} seconds.`);
  } finally {
    await disk.close();
  }
  return 0;
}

type Settings = Omit<BenchOptions, 'stepBytes' | 'signal'> & { readonly stepBytes?: number };

function readSettings(options: CommandOptions): Settings {
  const whole = (name: string, what: string, byDefault: number): number => {
    const text = options.value(name);
    if (text === undefined) return byDefault;
    if (/^\s*\+?(\d+|0[xX][0-9a-fA-F]+)$/.test(text) && Number(text) <= Number(MAX_INT)) {
      return Number(text);
    }
    throw new Failure(`Invalid ${what} specified`);
  };
  const size = (name: string, what: string): number | undefined => {
    const text = options.value(name);
    return text === undefined ? undefined : Number(sizeArgument(what, text, { max: MAX_INT }));
  };
  const requests = whole('c', 'request count', 75_000);
  const depth = whole('d', 'queue depth', 64);
  const aio = options.value('i');
  if (aio !== undefined && !['threads', 'native', 'io_uring'].includes(aio)) {
    throw new Failure(`Invalid aio option: ${aio}`);
  }
  const offset = options.value('o');
  const startBytes = offset === undefined ? 0 : Number(sizeArgument('offset', offset));
  const requestBytes = size('s', 'buffer size') ?? 4096;
  const stepBytes = size('S', 'step_size');
  const cache = options.value('t');
  if (cache !== undefined && !isCacheMode(cache)) throw new Failure('Invalid cache mode');
  const pattern = whole('pattern', 'pattern byte', 0);
  if (pattern > 255) throw new Failure('Invalid pattern byte specified');
  const flushInterval = whole('flush-interval', 'flush interval', 0);
  return {
    requests,
    depth,
    startBytes,
    requestBytes,
    ...(stepBytes === undefined || stepBytes === 0 ? {} : { stepBytes }),
    write: options.has('w'),
    pattern,
    flushInterval,
    drain: !options.has('no-drain'),
  };
}

function checkFlushes({ write, flushInterval, depth }: Settings): void {
  if (write !== true && flushInterval !== 0) {
    throw new Failure('--flush-interval is only available in write tests');
  }
  if (flushInterval !== 0 && flushInterval! < depth) {
    throw new Failure("Flush interval can't be smaller than depth");
  }
}

/** Accepted only together with a cache mode that goes around the host's cache. */
function refuseNative(options: CommandOptions, filename: string): void {
  const isNative = options.has('n') || options.value('i') === 'native';
  const isDirect = ['none', 'off', 'directsync'].includes(options.value('t') ?? '');
  if (!isNative || isDirect) return;
  throw new Failure(
    `Could not open '${filename}': aio=native was specified, but it requires cache.direct=on, ` +
      'which was not specified.',
  );
}

function announcement(bench: BenchOptions): string {
  const { requests, write, requestBytes, depth, startBytes, stepBytes } = bench;
  const { flushInterval = 0 } = bench;
  const flushes = `Sending flush every ${flushInterval} requests\n`;
  return (
    `Sending ${requests} ${write === true ? 'write' : 'read'} requests, ${requestBytes} bytes each, ` +
    `${depth} in parallel (starting at offset ${startBytes}, step size ${stepBytes})\n` +
    (flushInterval === 0 ? '' : flushes)
  );
}

function figures({ requests, depth, requestBytes }: BenchOptions, milliseconds: number): JsonValue {
  const seconds = milliseconds / 1000;
  const perSecond = (count: number): number => (seconds === 0 ? 0 : count / seconds);
  return {
    count: requests,
    depth,
    'bytes-per-request': requestBytes,
    seconds,
    'bytes-per-second': perSecond(requests * requestBytes),
    'requests-per-second': perSecond(requests),
  };
}

function failedRequest(error: unknown): never {
  if (error instanceof Error && error.name === 'DiskError') {
    throw new Failure('Failed request: Input/output error', { cause: error });
  }
  throw error;
}
