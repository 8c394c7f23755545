/** `disk-cat`: bytes of guest files to standard output. */
import type { Output } from '@diskfile/command';
import { DiskError, type FileHandle } from 'diskfile';
import { guestOptions, type GuestOptions } from './cli/command-line.ts';
import { type Invocation, main } from './cli/main.ts';
import { withGuest } from './guest/opening.ts';
import { warnOfSkippedMounts } from './guest/skipped-mounts.ts';

const CHUNK_BYTES = 1024 * 1024;

await main<GuestOptions>({
  name: 'disk-cat',
  summary: 'Print files of the guest on a disk image, one after another.',
  operands: [
    { name: '<image>', description: 'disk image or block device' },
    { name: '<path...>', description: 'files in the guest' },
  ],
  json: 'errors and warnings as JSON lines on standard error',
  examples: [
    'disk-cat vm.qcow2 /etc/os-release',
    'disk-cat -m /dev/sda3 disk.img /var/log/syslog | tail',
    'disk-cat --allow-backing /images overlay.qcow2 /etc/fstab',
  ],
  options: guestOptions,
  run,
});

async function run(invocation: Invocation<GuestOptions>): Promise<void> {
  const { options, output, report } = invocation;
  const [image = '', ...paths] = invocation.operands;
  await withGuest(image, options, report, async (guest) => {
    const buffer = new Uint8Array(CHUNK_BYTES);
    for (const path of paths) {
      warnOfSkippedMounts(guest, path, report);
      try {
        copyOut(guest.fileSystem.openSync(path), buffer, output);
      } catch (error) {
        // As cat does: what can be printed is, whatever the order.
        if (!(error instanceof DiskError) || error.context.guestPath === undefined) throw error;
        report.error(error);
      }
    }
  });
}

function copyOut(file: FileHandle, buffer: Uint8Array, output: Output): void {
  for (let offset = 0; ;) {
    const lengthBytes = file.readSync(buffer, offset);
    if (lengthBytes === 0) return;
    output.bytes(buffer.subarray(0, lengthBytes));
    offset += lengthBytes;
  }
}
