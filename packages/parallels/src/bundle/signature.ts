/** How a DiskDescriptor.xml is told from other files. */
import { decodeName } from '@diskfile/bytes';

export const ROOT_ELEMENT = 'Parallels_disk_image';
const MARK = `<${ROOT_ELEMENT}`;
/** What {@link isDescriptor} looks at: a declaration and comments may come first. */
export const HEAD_BYTES = 1024;

export function isDescriptor(head: Uint8Array): boolean {
  const text = decodeName(head.subarray(0, HEAD_BYTES));
  return text.trimStart().startsWith('<') && text.includes(MARK);
}
