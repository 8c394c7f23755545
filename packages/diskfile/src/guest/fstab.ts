/** The guest's /etc/fstab: which filesystem belongs where (fstab(5)). */
import { decodeName } from '@diskfile/bytes';
import type { GuestDevice } from './devices.ts';

export interface FstabEntry {
  /** First field, as written: `UUID=…`, `LABEL=…`, `/dev/sda1` … */
  readonly spec: string;
  readonly path: string;
  readonly type: string;
  readonly options: readonly string[];
}

/** Entries that put a filesystem into the tree; comments, swap and the like are left out. */
export function parseFstab(bytes: Uint8Array): FstabEntry[] {
  const entries: FstabEntry[] = [];
  for (const line of decodeName(bytes).split('\n')) {
    const fields = line.trim().split(/[ \t]+/);
    const [spec, path, type = 'auto', options = 'defaults'] = fields;
    if (spec === undefined || path === undefined || spec.startsWith('#')) continue;
    if (!path.startsWith('/')) continue;
    entries.push({
      spec: unescape(spec),
      path: unescape(path),
      type,
      options: options.split(','),
    });
  }
  return entries;
}

/** Undoes the octal escapes for blanks (`\040`). */
function unescape(field: string): string {
  return field.replaceAll(/\\([0-3][0-7]{2})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
}

/** Whether an entry names something on a block device rather than a pseudo filesystem. */
export function namesDevice({ spec }: FstabEntry): boolean {
  return spec.startsWith('/dev/') || /^(UUID|LABEL|PARTUUID|PARTLABEL)=/.test(spec);
}

/** The device that the first field of an fstab entry means; undefined when the disk has none such. */
export function findDevice(devices: readonly GuestDevice[], spec: string): GuestDevice | undefined {
  const tag = /^(UUID|LABEL|PARTUUID|PARTLABEL)=(.*)$/s.exec(spec);
  if (tag !== null) {
    const value = tag[2]!.replace(/^(["'])(.*)\1$/s, '$2');
    return devices.find((device) => tagMatches(device, tag[1]!, value));
  }
  const link = /^\/dev\/disk\/by-(uuid|label|partuuid|partlabel)\/(.+)$/s.exec(spec);
  if (link !== null) {
    const value = link[2]!.replaceAll(/\\x([0-9a-f]{2})/g, (_, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    );
    return devices.find((device) => tagMatches(device, link[1]!.toUpperCase(), value));
  }
  return deviceByNode(devices, spec);
}

function tagMatches(device: GuestDevice, tag: string, value: string): boolean {
  const { content, partition } = device;
  if (tag === 'UUID') return content?.uuid !== '' && sameText(content?.uuid, value);
  if (tag === 'LABEL') return value !== '' && content?.label === value;
  if (tag === 'PARTUUID') return sameText(partition?.uuid, value);
  return value !== '' && partition?.name === value;
}

function sameText(known: string | undefined, wanted: string): boolean {
  return known !== undefined && known.toLowerCase() === wanted.toLowerCase();
}

/** The same disk has many names: sda, vda, hda, xvda, nvme0n1, mmcblk0. */
function deviceByNode(devices: readonly GuestDevice[], node: string): GuestDevice | undefined {
  const parsed = /^\/dev\/(?:(?:s|h|v|xv)da|(?:nvme0n1|mmcblk0)(?=p\d|$))p?(\d*)$/.exec(node);
  if (parsed === null) return undefined;
  const number = parsed[1] === '' ? undefined : Number(parsed[1]);
  return devices.find(({ partition }) => partition?.number === number);
}
