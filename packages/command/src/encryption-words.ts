/** What keeps QEMU from opening an encrypted image that the library still tells of. */
import { DiskError, type ImageInfo, parseDiskName } from 'diskfile';
import { missingKeyWords } from './disk-words.ts';

interface EncryptionDetails {
  readonly locked?: boolean;
  readonly unsupported?: string;
}

/**
 * @param images of a chain, the top first
 * @param wantsKey whether the image is to be more than looked at
 * @throws DiskError `wrong-key`, or `unsupported` for a header that nobody can do anything with
 */
export function checkEncryption(images: readonly ImageInfo[], wantsKey: boolean): void {
  for (const [depth, image] of images.entries()) {
    try {
      checkImage(image, wantsKey, images[depth - 1]?.backing?.name);
    } catch (error) {
      if (error instanceof DiskError) error.addContext({ depth });
      throw error;
    }
  }
}

function checkImage(
  { format, details }: ImageInfo,
  wantsKey: boolean,
  name: string | undefined,
): void {
  const encryption = details['encryption'] as EncryptionDetails | undefined;
  if (wantsKey && encryption?.locked === true) throw noSecret(name) ?? noKey(format);
  const fault = encryption?.unsupported ?? (details as EncryptionDetails).unsupported;
  if (fault !== undefined) throw new DiskError('unsupported', 'luks.names', fault);
}

/** QEMU asks for the key of a LUKS disk before it looks at the header. */
export function keyFirst(error: unknown): unknown {
  if (!(error instanceof DiskError) || error.code === 'wrong-key') return error;
  const { depth = 0 } = error.context;
  return depth === 0 && error.detail.startsWith('luks.') ? noKey('luks') : error;
}

/** What is wrong where the image above says with which secret this one is opened. */
function noSecret(name: string | undefined): DiskError | undefined {
  if (name?.startsWith('json:') !== true) return undefined;
  const options = parseDiskName(name);
  const id = options.takeText('encrypt.key-secret') ?? options.takeText('key-secret');
  if (id === undefined) return undefined;
  return new DiskError('wrong-key', 'open.no-secret', `No secret with id '${id}'`);
}

function noKey(format: string): DiskError {
  return new DiskError('wrong-key', 'open.no-secret', missingKeyWords(format));
}
