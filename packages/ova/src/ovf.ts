/** What an OVF descriptor (DSP0243) says of disks; the rest of it is about machines. */

export interface OvfDisk {
  readonly id: string;
  /** Name of the file in the archive. */
  readonly file: string;
  readonly capacityBytes: number | undefined;
  /** URI of the disk's format. */
  readonly format: string | undefined;
}

type Attributes = ReadonlyMap<string, string>;

/** Tags that are longer hold nothing that is looked for. */
const MAX_TAG_LENGTH = 4096;
const ENTITIES: ReadonlyMap<string, string> = new Map([
  ['amp', '&'],
  ['lt', '<'],
  ['gt', '>'],
  ['quot', '"'],
  ['apos', "'"],
]);

/** Disks that have a file, in the order in which they stand. */
export function parseOvf(xml: string): OvfDisk[] {
  const files = new Map<string, Attributes>();
  const disks: Attributes[] = [];
  for (const { name, attributes } of tags(xml)) {
    if (name === 'File') files.set(attributes.get('id') ?? '', attributes);
    if (name === 'Disk') disks.push(attributes);
  }
  return disks.flatMap((disk) => {
    const file = files.get(disk.get('fileRef') ?? '');
    const href = file?.get('href');
    if (href === undefined) return [];
    return {
      id: disk.get('diskId') ?? href,
      file: href,
      capacityBytes: capacityOf(disk),
      format: disk.get('format'),
    };
  });
}

/** Elements called `File` and `Disk`, whatever their namespaces are called; comments left out. */
function* tags(xml: string): Iterable<{ name: string; attributes: Attributes }> {
  let at = 0;
  for (;;) {
    const start = xml.indexOf('<', at);
    if (start < 0) return;
    const isComment = xml.startsWith('<!--', start);
    const end = isComment ? xml.indexOf('-->', start) : xml.indexOf('>', start);
    if (end < 0) return;
    at = end + 1;
    if (isComment || end - start > MAX_TAG_LENGTH) continue;
    const [, name] = /^<(?:[\w.-]{1,64}:)?(File|Disk)[\s/>]/.exec(xml.slice(start, end + 1)) ?? [];
    if (name !== undefined) yield { name, attributes: attributesOf(xml.slice(start, end)) };
  }
}

function attributesOf(tag: string): Attributes {
  const found = new Map<string, string>();
  for (const [, name, double, single] of tag.matchAll(
    /(?<![\w.-])([\w.-]+)\s{0,9}=\s{0,9}(?:"([^"]*)"|'([^']*)')/g,
  )) {
    found.set(name!, unescape(double ?? single ?? ''));
  }
  return found;
}

function unescape(value: string): string {
  return value.replace(/&(#?\w{1,8});/g, (whole, name: string) => {
    const [, hexadecimal, decimal] = /^#(?:x([0-9a-f]{1,6})|(\d{1,7}))$/i.exec(name) ?? [];
    const code = hexadecimal === undefined ? Number(decimal) : Number.parseInt(hexadecimal, 16);
    return code <= 0x10_ffff ? String.fromCodePoint(code) : (ENTITIES.get(name) ?? whole);
  });
}

/** Units are bytes, or `byte * 2^30` and its like. */
function capacityOf(disk: Attributes): number | undefined {
  const count = Number(disk.get('capacity') ?? Number.NaN);
  const units = disk.get('capacityAllocationUnits') ?? 'byte';
  const [, exponent = '0'] = /^byte(?:s)?\s*(?:\*\s*2\s*\^\s*(\d{1,2}))?$/.exec(units.trim()) ?? [];
  const bytes = count * 2 ** Number(exponent);
  return Number.isSafeInteger(bytes) && bytes >= 0 ? bytes : undefined;
}
