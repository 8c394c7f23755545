/** Changing which passphrases open an encrypted image. */
import { DiskError } from '@diskfile/bytes';
import {
  checkOptions,
  closeStorage,
  findDriver,
  type Limits,
  type OptionKinds,
  probeStorage,
  runAsync,
  type Step,
  type Storage,
  writableStorage,
} from '@diskfile/core';
import { ALL_FORMATS } from '../formats.ts';
import { openHostFile } from '../open/host-file.ts';
import { imageTarget } from '../open/image-target.ts';
import { checkedLimits } from '../open/limits.ts';
import { type Passphrase, passphraseBytes } from '../open/passphrases.ts';

export interface ChangeKeySlotsOptions {
  /** `active` to add a passphrase, `inactive` to erase one. */
  readonly state: 'active' | 'inactive';
  /** What opens the image now. */
  readonly passphrase: Passphrase;
  readonly newPassphrase?: Passphrase;
  /** Erases all slots that it opens; with `slotIndex`, has to be what that slot holds. */
  readonly oldPassphrase?: Passphrase;
  /** 0 to 7; by default the first that is free. */
  readonly slotIndex?: number;
  /** Time that it takes to try the new passphrase; by default two seconds. */
  readonly iterationMilliseconds?: number;
  /** Erases the last slot in use, after which nobody can open the image; overwrites one in use. */
  readonly force?: boolean;
  readonly format?: string;
  readonly limits?: Partial<Limits>;
}

const KEY_SLOT_KINDS: OptionKinds<ChangeKeySlotsOptions> = {
  state: 'text',
  passphrase: 'passphrase',
  newPassphrase: 'passphrase',
  oldPassphrase: 'passphrase',
  slotIndex: 'count',
  iterationMilliseconds: 'count',
  force: 'flag',
  format: 'text',
  limits: 'object',
};

/**
 * Adds a passphrase to an image that is encrypted by LUKS (`luks`, `qcow2`), or erases some. Each
 * slot changes at one instant; the key material of an erased one is overwritten.
 *
 * @param target a path or `file:` URL, or a storage, which stays open
 * @throws DiskError `wrong-key`; `unsupported` for images without key slots; `invalid-argument` for
 *   what makes no sense, or would lock the image for good without `force`; `busy`, `io`
 * @example
 * await changeKeySlots('disk.luks', { state: 'active', passphrase: 'old', newPassphrase: 'new' });
 */
export function changeKeySlots(
  target: string | URL | Storage,
  options: ChangeKeySlotsOptions,
): Promise<void> {
  return runAsync(changeTarget(target, options));
}

function* changeTarget(target: string | URL | Storage, options: ChangeKeySlotsOptions): Step<void> {
  checkOptions('change key slots', options, KEY_SLOT_KINDS, ['state', 'passphrase']);
  checkedLimits(options.limits);
  const image = imageTarget('change key slots', target);
  if (typeof image !== 'string') {
    yield* changeStorage(image, options);
    return;
  }
  const locking = { forceShare: false, warn: () => undefined };
  const storage = yield* openHostFile(image, { writable: true, locking });
  try {
    yield* changeStorage(storage, options);
  } finally {
    yield* closeStorage(storage);
  }
}

function* changeStorage(storage: Storage, options: ChangeKeySlotsOptions): Step<void> {
  const { format, passphrase, newPassphrase, oldPassphrase, limits, ...change } = options;
  const driver =
    format === undefined
      ? yield* probeStorage(storage, ALL_FORMATS)
      : findDriver(ALL_FORMATS, format);
  if (driver?.changeKeySlots === undefined) {
    throw new DiskError(
      'unsupported',
      'chain.no-key-slots',
      `Images of format ${driver?.id ?? format} have no key slots`,
      { path: storage.name },
    );
  }
  const [current, added, old] = passphraseBytes([passphrase, newPassphrase, oldPassphrase]);
  yield* driver.changeKeySlots({
    storage: writableStorage(storage, 'open'),
    limits: checkedLimits(limits),
    passphrase: current!,
    change: {
      ...change,
      force: change.force ?? false,
      ...(added === undefined ? {} : { newPassphrase: added }),
      ...(old === undefined ? {} : { oldPassphrase: old }),
    },
  });
}
