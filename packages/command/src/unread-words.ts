/** What QEMU 7.2 says of an image that it cannot open because the host does not read it. */
import type { DiskError } from 'diskfile';
import { hostErrorText } from './host-errors.ts';

/** @returns undefined for what has another cause */
export function unreadWords({ code, detail, context, errno }: DiskError): string | undefined {
  if ((code !== 'io' && detail !== 'storage.injected') || context.op !== 'read') return undefined;
  const reason = hostErrorText(errno);
  switch (context.format) {
    case undefined:
      return `Could not read image for determining its format: ${reason}`;
    case 'qcow2':
      return `Could not read qcow2 header: ${reason}`;
    case 'qed':
      return 'Failed to read QED header';
    case 'vhd':
      return 'Unable to read VHD header';
    case 'vmdk':
      return `Could not read from file: ${reason}`;
    default:
      return `Could not open '${context.path ?? ''}': ${reason}`;
  }
}
