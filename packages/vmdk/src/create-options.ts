/** The options of `qemu-img create -f vmdk`, and `footer` for streams as OVA tools make them. */
import { DiskError } from '@diskfile/bytes';
import { type CreateContext, quote, type Step } from '@diskfile/core';

const SUBFORMATS = [
  'monolithicSparse',
  'monolithicFlat',
  'twoGbMaxExtentSparse',
  'twoGbMaxExtentFlat',
  'streamOptimized',
] as const;
export type VmdkSubformat = (typeof SUBFORMATS)[number];

const ADAPTERS = ['ide', 'buslogic', 'lsilogic', 'legacyESX'];
/** What QEMU calls the default. */
const NO_HW_VERSION = 'undefined';
const DEFAULT_TOOLS_VERSION = '2147483647';

export interface CreateLayout {
  readonly sizeBytes: number;
  /** Name of the descriptor's file. */
  readonly ownName: string;
  readonly subformat: VmdkSubformat;
  readonly isSparse: boolean;
  readonly isSplit: boolean;
  readonly compressed: boolean;
  readonly zeroedGrains: boolean;
  /** Whether tables and directory come last, and a footer tells where they are. */
  readonly hasFooter: boolean;
  readonly adapterType: string;
  readonly hwVersion: string;
  readonly toolsVersion: string;
  readonly parent: { readonly name: string; readonly cid: string } | undefined;
}

const OPTIONS = [
  'subformat',
  'adapter_type',
  'hwversion',
  'toolsversion',
  'zeroed_grain',
  'compat6',
  'footer',
];

export function* parseCreateOptions(context: CreateContext): Step<CreateLayout> {
  const { options, backing } = context;
  const {
    subformat = 'monolithicSparse',
    adapter_type: adapterType = 'ide',
    toolsversion: toolsVersion = DEFAULT_TOOLS_VERSION,
    zeroed_grain: zeroedGrain = false,
    footer = false,
    ...others
  } = options;
  const hwVersion = hwVersionOf(others);
  if (!isSubformat(subformat)) throw unknownValue('subformat', subformat, SUBFORMATS);
  if (!ADAPTERS.includes(String(adapterType))) {
    throw unknownValue('adapter_type', adapterType, ADAPTERS);
  }
  const isSparse = !subformat.endsWith('Flat');
  const zeroedGrains = isOn('zeroed_grain', zeroedGrain);
  if (zeroedGrains && !isSparse) {
    throw refused(
      'vmdk.zeroed-grain',
      'zeroed_grain is for subformats with grains, not for flat ones',
    );
  }
  const hasFooter = isOn('footer', footer);
  if (hasFooter && subformat !== 'streamOptimized') {
    throw refused('vmdk.footer', 'footer is for streamOptimized disks');
  }
  if (backing !== undefined && !isSparse) {
    throw refused('vmdk.flat-backing', 'A flat disk cannot have a backing file');
  }
  const isSplit = subformat.startsWith('twoGb');
  const ownName = context.fileName ?? context.storage.name.split('/').at(-1)!;
  if (isSplit || !isSparse) checkQuotable('the file', ownName);
  else checkLine('the file', ownName);
  return {
    sizeBytes: context.sizeBytes,
    ownName,
    subformat,
    isSparse,
    isSplit,
    compressed: subformat === 'streamOptimized',
    zeroedGrains,
    hasFooter,
    adapterType: String(adapterType),
    hwVersion,
    toolsVersion: checkQuotable('toolsversion', String(toolsVersion)),
    parent: backing === undefined ? undefined : yield* parentOf(context),
  };
}

/** @param options those that nothing else has taken */
function hwVersionOf({
  hwversion = NO_HW_VERSION,
  compat6 = false,
  ...unknown
}: CreateContext['options']): string {
  for (const name of Object.keys(unknown)) {
    throw refused('vmdk.option', `VMDK disks have no option ${quote(name)}`, OPTIONS);
  }
  const isGiven = hwversion !== NO_HW_VERSION;
  if (!isOn('compat6', compat6)) {
    return isGiven ? checkQuotable('hwversion', String(hwversion)) : '4';
  }
  if (!isGiven) return '6';
  throw refused(
    'vmdk.compat6',
    'compat6 stands for an hwversion, so only one of them can be given',
  );
}

function isSubformat(value: unknown): value is VmdkSubformat {
  return SUBFORMATS.some((known) => known === value);
}

function* parentOf({
  backing,
  describeBacking,
}: CreateContext): Step<{ name: string; cid: string }> {
  const { name, format } = backing!;
  checkQuotable('the parent', name);
  const { cid } = format === 'vmdk' ? yield* describeBacking!() : {};
  if (typeof cid === 'string') return { name, cid };
  throw refused('vmdk.parent-format', 'The backing file of a VMDK disk has to be a VMDK disk');
}

/** What stands between quotation marks in the descriptor, and cannot be told apart from more of it. */
function checkQuotable(what: string, value: string): string {
  if (!value.includes('"')) return checkLine(what, value);
  throw unwritable(what, value);
}

function checkLine(what: string, value: string): string {
  if (!/[\n\r\0]/.test(value)) return value;
  throw unwritable(what, value);
}

function unwritable(what: string, value: string): DiskError {
  return refused('vmdk.descriptor-text', `A descriptor cannot express ${quote(value)} for ${what}`);
}

const WORDS: readonly (readonly unknown[])[] = [
  [false, 'off', 'no', 'false', 'n'],
  [true, 'on', 'yes', 'true', 'y'],
];

function isOn(name: string, value: string | number | boolean): boolean {
  const found = WORDS.findIndex((words) => words.includes(value));
  if (found !== -1) return found === 1;
  throw refused('vmdk.option-value', `${name} is on or off, not ${quote(String(value))}`);
}

function unknownValue(name: string, value: unknown, known: readonly string[]): DiskError {
  const detail = name === 'subformat' ? 'vmdk.subformat' : 'vmdk.adapter';
  return refused(detail, `There is no ${name} ${quote(String(value))}`, known);
}

function refused(detail: string, message: string, known?: readonly string[]): DiskError {
  const context = { op: 'create', format: 'vmdk', layer: 'format' };
  const hint = known === undefined ? {} : { hint: `Known ones: ${known.join(', ')}.` };
  return new DiskError('invalid-argument', detail, message, { ...context, ...hint });
}
