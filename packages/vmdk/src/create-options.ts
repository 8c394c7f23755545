/** The options of `qemu-img create -f vmdk`. */
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
];

export function* parseCreateOptions(context: CreateContext): Step<CreateLayout> {
  const {
    subformat = 'monolithicSparse',
    adapter_type: adapterType = 'ide',
    hwversion: hwVersion,
    toolsversion: toolsVersion = DEFAULT_TOOLS_VERSION,
    zeroed_grain: zeroedGrain = false,
    compat6 = false,
    ...unknown
  } = context.options;
  for (const name of Object.keys(unknown)) {
    throw refused('vmdk.option', `VMDK disks have no option ${quote(name)}`, OPTIONS);
  }
  if (!isSubformat(subformat)) {
    throw refused(
      'vmdk.subformat',
      `There is no subformat ${quote(String(subformat))}`,
      SUBFORMATS,
    );
  }
  if (!ADAPTERS.includes(String(adapterType))) {
    throw refused(
      'vmdk.adapter',
      `There is no adapter type ${quote(String(adapterType))}`,
      ADAPTERS,
    );
  }
  const isCompat6 = isOn('compat6', compat6);
  if (isCompat6 && hwVersion !== undefined) {
    throw refused(
      'vmdk.compat6',
      'compat6 stands for an hwversion, so only one of them can be given',
    );
  }
  const isSparse = !subformat.endsWith('Flat');
  if (isOn('zeroed_grain', zeroedGrain) && !isSparse) {
    throw refused(
      'vmdk.zeroed-grain',
      'zeroed_grain is for subformats with grains, not for flat ones',
    );
  }
  if (context.backing !== undefined && !isSparse) {
    throw refused('vmdk.flat-backing', 'A flat disk cannot have a backing file');
  }
  return {
    sizeBytes: context.sizeBytes,
    ownName: context.fileName ?? context.storage.name.split('/').at(-1)!,
    subformat,
    isSparse,
    isSplit: subformat.startsWith('twoGb'),
    compressed: subformat === 'streamOptimized',
    zeroedGrains: isOn('zeroed_grain', zeroedGrain),
    adapterType: String(adapterType),
    hwVersion: isCompat6 ? '6' : String(hwVersion ?? '4'),
    toolsVersion: String(toolsVersion),
    parent: context.backing === undefined ? undefined : yield* parentOf(context),
  };
}

function isSubformat(value: unknown): value is VmdkSubformat {
  return SUBFORMATS.some((known) => known === value);
}

function* parentOf({
  backing,
  describeBacking,
}: CreateContext): Step<{ name: string; cid: string }> {
  const { name, format } = backing!;
  const { cid } = format === 'vmdk' ? yield* describeBacking!() : {};
  if (typeof cid === 'string') return { name, cid };
  throw refused('vmdk.parent-format', 'The backing file of a VMDK disk has to be a VMDK disk');
}

function isOn(name: string, value: string | number | boolean): boolean {
  if (value === true || value === 'on' || value === 'true') return true;
  if (value === false || value === 'off' || value === 'false') return false;
  throw refused('vmdk.option-value', `${name} is on or off, not ${quote(String(value))}`);
}

function refused(detail: string, message: string, known?: readonly string[]): DiskError {
  const context = { op: 'create', format: 'vmdk', layer: 'format' };
  const hint = known === undefined ? {} : { hint: `Known ones: ${known.join(', ')}.` };
  return new DiskError('invalid-argument', detail, message, { ...context, ...hint });
}
