/** Why key slots cannot be changed, in the words of qemu-img. */
import type { DiskError } from 'diskfile';

const WORDS: Readonly<Record<string, string>> = {
  'luks.slot.new-missing': "'new-secret' is required to activate a keyslot",
  'luks.slot.old-given': "'old-secret' must not be given when activating keyslots",
  'luks.slot.none-free': "Can't add a keyslot - all keyslots are in use",
  'luks.slot.in-use': 'Refusing to overwrite active keyslot # - please erase it first',
  'luks.slot.other': "Given keyslot # doesn't contain the given old password for erase operation",
  'luks.slot.erased': 'Given keyslot # is already erased (inactive) ',
  'luks.slot.last':
    'Attempt to erase the only active keyslot # which will erase all the data in the image ' +
    'irreversibly - refusing operation',
  'luks.slot.which':
    'To erase keyslot(s), either explicit keyslot index or the password currently contained in ' +
    'them must be given',
  'luks.slot.no-match': 'No keyslots match given (old) password for erase operation',
  'luks.slot.all':
    'All the active keyslots match the (old) password that was given and erasing them will erase ' +
    'all the data in the image irreversibly - refusing operation',
  'luks.slot.new-given': "'new-secret' must not be given when erasing keyslots",
  'luks.slot.time-given': "'iter-time' must not be given when erasing keyslots",
  'luks.slot.index': 'Invalid keyslot # specified, must be between 0 and 7',
  'qcow2.no-key-slots': 'Only LUKS encryption options can be amended',
};

/** @returns undefined for failures of other kinds */
export function keySlotWords(
  { detail }: DiskError,
  { slotIndex = 0 }: { readonly slotIndex?: number },
): string | undefined {
  return WORDS[detail]?.replace('#', String(slotIndex));
}
