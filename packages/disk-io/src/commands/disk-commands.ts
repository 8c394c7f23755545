/** Commands that ask for the disk's state, or change its size. */
import { formatName, isProtocol, requestReason } from '@diskfile/command';
import { type BlockStatus, DiskError, type DiskFile, type Preallocation } from 'diskfile';
import type { Command, Outcome } from '../shell/command.ts';
import type { Session } from '../shell/session.ts';
import { byteText } from '../text/byte-text.ts';
import { hidesAllocation } from '../text/format-habits.ts';
import { changeReason } from '../text/failure-words.ts';
import { infoText } from '../text/info-text.ts';
import { numberOf, Options, UsageFault } from './request-arguments.ts';

const SECTOR_BYTES = 512;

export const flushCommand: Command = {
  name: 'flush',
  alias: 'f',
  atLeast: 0,
  atMost: 0,
  summary: 'flush all in-core file state to disk',
  async run(session): Promise<Outcome> {
    try {
      await session.flush();
      return 'done';
    } catch (error) {
      // Nobody is told in words.
      requestReason(error);
      return 'failed';
    }
  },
};

export const aioFlushCommand: Command = {
  name: 'aio_flush',
  atLeast: 0,
  atMost: 0,
  summary: 'completes all outstanding aio requests',
  async run(session): Promise<Outcome> {
    await session.drain();
    return 'done';
  },
};

export const lengthCommand: Command = {
  name: 'length',
  alias: 'l',
  atLeast: 0,
  atMost: 0,
  summary: 'gets the length of the current file',
  run({ console, disk }) {
    console.out(`${byteText(disk.sizeBytes)}\n`);
    return 'done';
  },
};

export const truncateCommand: Command = {
  name: 'truncate',
  alias: 't',
  atLeast: 1,
  atMost: 3,
  options: 'm:',
  synopsis: '[-m prealloc_mode] off',
  summary: 'truncates the current file at the given offset',
  writes: true,
  async run(session, given) {
    const { console } = session;
    const mode = new Options(given).get('m') ?? 'off';
    if (!isPreallocation(mode)) {
      console.error(`Invalid preallocation mode '${mode}'`);
      return 'failed';
    }
    if (given.operands.length === 0) throw new UsageFault();
    const size = numberOf(given.operands[0]!);
    try {
      await resize(session, size, mode);
      return 'done';
    } catch (error) {
      console.error(changeReason(error, session.imageFormat));
      return 'failed';
    }
  },
};

/** Formats that know other modes than `off`; the rest say it in another way. */
const PREALLOCATING: ReadonlySet<string> = new Set(['raw', 'qcow2', 'luks']);

function isPreallocation(mode: string): mode is Preallocation {
  return ['off', 'metadata', 'falloc', 'full'].includes(mode);
}

async function resize(session: Session, size: number, preallocation: Preallocation): Promise<void> {
  const { imageFormat: format } = session;
  const { capabilities } = session.disk;
  const { resizing } = capabilities;
  if (resizing === undefined) throw refused('Image format driver does not support resize');
  if (!PREALLOCATING.has(format) && preallocation !== 'off') {
    throw refused(`Unsupported preallocation mode '${preallocation}'`);
  }
  // A file that gets shorter is told of before modes that it does not know.
  if (format === 'raw' && preallocation !== 'off' && size < session.disk.sizeBytes) {
    throw refused('Cannot use preallocation for shrinking files');
  }
  if (format === 'qed' && size % SECTOR_BYTES !== 0) {
    throw refused('Invalid image size specified');
  }
  if (format === 'qcow2' && size % SECTOR_BYTES !== 0) {
    throw refused(`The new size must be a multiple of ${SECTOR_BYTES}`);
  }
  await resizing.resize(size, { shrink: true, preallocation });
}

function refused(message: string): DiskError {
  return new DiskError('unsupported', 'disk.resize', message);
}

export const infoCommand: Command = {
  name: 'info',
  alias: 'i',
  atLeast: 0,
  atMost: 0,
  summary: 'prints information about the current file',
  run({ console, disk, opened }) {
    const [image] = disk.info();
    // What `-C` asks for is no node of its own.
    const format = opened!.request.copyOnRead ? image!.format : disk.format;
    console.out(`format name: ${formatName(format)}\n`);
    // A protocol has a name as such, too.
    if (isProtocol(format)) console.out(`format name: ${formatName(format)}\n`);
    const details = infoText(format, image!);
    if (details === undefined) return 'failed';
    console.out(details);
    return 'done';
  },
};

export const allocCommand: Command = {
  name: 'alloc',
  alias: 'a',
  atLeast: 1,
  atMost: 2,
  synopsis: 'offset [count]',
  summary: 'checks if offset is allocated in the file',
  async run(session, { operands }): Promise<Outcome> {
    const { console, disk } = session;
    const start = numberOf(operands[0]!);
    const asked = operands[1] === undefined ? SECTOR_BYTES : numberOf(operands[1]);
    const count = Math.max(0, Math.min(asked, disk.sizeBytes - start));
    let allocated = 0;
    const isAllocated = allocationOf(disk);
    if (count > 0) {
      try {
        for await (const status of disk.blockStatus(start, count)) {
          if (isAllocated(status)) allocated += status.lengthBytes;
        }
      } catch (error) {
        console.out(`is_allocated failed: ${session.reasonOf(error)}\n`);
        return 'failed';
      }
    }
    console.out(`${allocated}/${count} bytes allocated at offset ${byteText(start)}\n`);
    return 'done';
  },
};

export const mapCommand: Command = {
  name: 'map',
  atLeast: 0,
  atMost: 0,
  synopsis: '',
  summary: 'prints the allocated areas of a file',
  async run(session): Promise<Outcome> {
    const { console, disk } = session;
    let area = { start: 0, end: 0, allocated: false };
    const tell = () => {
      if (area.end === area.start) return;
      const length = area.end - area.start;
      const word = area.allocated ? '    allocated' : 'not allocated';
      console.out(`${inBoth(length)} bytes ${word} at offset ${inBoth(area.start)}\n`);
    };
    const isAllocated = allocationOf(disk);
    try {
      for await (const status of disk.blockStatus()) {
        const allocated = isAllocated(status);
        if (allocated !== area.allocated) {
          tell();
          area = { start: status.guestOffset, end: status.guestOffset, allocated };
        }
        area.end += status.lengthBytes;
      }
    } catch (error) {
      console.error(`Failed to get allocation status: ${session.reasonOf(error)}`);
      return 'failed';
    }
    tell();
    return 'done';
  },
};

/** As in `64 KiB (0x10000)`. */
function inBoth(bytes: number): string {
  return `${byteText(bytes)} (0x${bytes.toString(16)})`;
}

/** Whether the uppermost image says what is there, for each status of a disk. */
function allocationOf(disk: DiskFile): (status: BlockStatus) => boolean {
  // Of the image, whatever filters lie over it.
  const hides = hidesAllocation(disk.info()[0]!.format);
  return ({ allocated, depth }) => hides || (allocated && depth === 0);
}
