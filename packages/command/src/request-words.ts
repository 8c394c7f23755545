/** What QEMU reports of requests that failed. */
import { DiskError } from 'diskfile';
import { missingKeyWords } from './disk-words.ts';
import { hostErrorText } from './host-errors.ts';

/** Reasons that a request has for QEMU, where the library knows them better. */
const ERRNO_OF_CODE: Readonly<Record<string, string>> = {
  'out-of-range': 'EIO',
  corrupt: 'EIO',
  limit: 'EIO',
  'read-only': 'EPERM',
};
const ERRNO_OF_DETAIL: Readonly<Record<string, string>> = {
  'graph.probed-raw-start': 'EPERM',
  'qcow2.snapshot-l1-table-too-large': 'EFBIG',
  'qcow2.snapshot-l1-table-unaligned': 'EINVAL',
  'vmdk.grain-written': 'EIO',
  'vmdk.parent-cid': 'EINVAL',
};

/** What a request that failed is reported with. @throws what is no failure of a disk */
export function requestReason(error: unknown): string {
  if (!(error instanceof DiskError)) throw error;
  if (error.detail.endsWith('.passphrase-missing')) return missingKeyWords(error.detail);
  return hostErrorText(errnoOf(error));
}

function errnoOf({ code, detail, errno, context }: DiskError): string {
  const known = ERRNO_OF_DETAIL[detail];
  if (known !== undefined || errno === 'EFBIG') return known ?? errno;
  // Its driver finds fault with entries of tables as with arguments.
  if (context.format === 'qed' && (code === 'corrupt' || code === 'unsupported')) return 'EINVAL';
  return ERRNO_OF_CODE[code] ?? errno;
}
