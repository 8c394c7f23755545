/** `amend` of what opens an encrypted image. */
import { changeKeySlots, type ChangeKeySlotsOptions, DiskError } from 'diskfile';
import type { OptionValues } from '../arguments/option-list.ts';
import type { ImageSource } from '../images/image-source.ts';
import { Failure } from '../program.ts';
import { keySlotWords } from '../words/key-slot-words.ts';
import { wordsOf } from '../words/disk-words.ts';

const NAMES = ['state', 'new-secret', 'old-secret', 'keyslot', 'iter-time'] as const;

/** Whether options are about key slots, under their names in a format. */
export function areKeySlotOptions(values: OptionValues, prefix: string): boolean {
  return NAMES.some((name) => values.has(prefix + name));
}

export async function amendKeySlots(
  source: ImageSource,
  values: OptionValues,
  { prefix, force }: { readonly prefix: string; readonly force: boolean },
): Promise<void> {
  const change = readChange(source, values, prefix);
  const { path, format, passphrase } = source;
  if (path === undefined || passphrase === undefined) {
    throw new Failure(`Parameter '${prefix}key-secret' is required for cipher`);
  }
  try {
    await changeKeySlots(path, {
      ...change,
      passphrase,
      force,
      ...(format === undefined ? {} : { format }),
    });
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    throw new Failure(keySlotWords(error, change) ?? wordsOf(error), { cause: error });
  }
}

type Change = Omit<ChangeKeySlotsOptions, 'passphrase' | 'force' | 'format'>;

function readChange({ objects }: ImageSource, values: OptionValues, prefix: string): Change {
  const text = (name: (typeof NAMES)[number]) => values.get(prefix + name)?.text;
  const state = text('state');
  if (state === undefined) throw new Failure("Parameter 'state' is missing");
  if (state !== 'active' && state !== 'inactive') {
    throw new Failure(`Parameter 'state' does not accept value '${state}'`);
  }
  const secret = (name: 'new-secret' | 'old-secret'): Uint8Array | undefined => {
    const id = text(name);
    try {
      return id === undefined ? undefined : objects.secret(id);
    } catch (error) {
      throw new Failure(wordsOf(error), { cause: error });
    }
  };
  const newPassphrase = secret('new-secret');
  const oldPassphrase = secret('old-secret');
  const slot = values.get(`${prefix}keyslot`)?.value as number | undefined;
  if (slot !== undefined && slot < 0) throw new Failure(noSuchSlot(slot));
  const time = values.get(`${prefix}iter-time`)?.value as number | undefined;
  return {
    state,
    ...(newPassphrase === undefined ? {} : { newPassphrase }),
    ...(oldPassphrase === undefined ? {} : { oldPassphrase }),
    ...(slot === undefined ? {} : { slotIndex: slot }),
    ...(time === undefined ? {} : { iterationMilliseconds: time }),
  };
}

/** QEMU counts them without a sign. */
function noSuchSlot(slot: number): string {
  return `Invalid keyslot ${slot + 2 ** 32} specified, must be between 0 and 7`;
}
