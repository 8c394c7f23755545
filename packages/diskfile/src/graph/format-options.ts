/**
 * Options that a format's node takes besides its children. They tune QEMU's driver; here their
 * values are judged as QEMU judges them, and what they would tune takes care of itself.
 */
import { type BlockOptions, invalid } from './block-options.ts';

const OVERLAP_TEMPLATES = ['none', 'constant', 'cached', 'all'];
const OVERLAP_STRUCTURES = [
  'main-header',
  'active-l1',
  'active-l2',
  'refcount-table',
  'refcount-block',
  'snapshot-table',
  'inactive-l1',
  'inactive-l2',
  'bitmap-directory',
];
const MAX_CLEAN_INTERVAL = 2 ** 32 - 1;

/**
 * Takes what names the secret of an encrypted image. @param format undefined where it is not known
 */
export function takeSecret(
  format: string | undefined,
  options: BlockOptions,
): { readonly id: string | undefined; readonly method: string | undefined } {
  if (format === 'luks') return { id: options.takeText('key-secret'), method: undefined };
  if (format !== undefined && format !== 'qcow2' && format !== 'qcow') return NO_SECRET;
  const id = options.takeText('encrypt.key-secret');
  return { id: id ?? options.takeText('key-secret'), method: options.takeText('encrypt.format') };
}

const NO_SECRET = { id: undefined, method: undefined };

/** @throws DiskError `invalid-argument` for an encryption that the image does not have */
export function checkEncryption(stated: string | undefined, found: string | undefined): void {
  if (stated === undefined || stated === found) return;
  throw invalid(
    found === undefined
      ? `No encryption in image header, but options specified format '${stated}'`
      : `Header reported '${found}' encryption format but options specify '${stated}'`,
  );
}

/** Takes what the format knows; what is left is no option of it. */
export function takeFormatOptions(format: string, options: BlockOptions): void {
  if (format === 'qcow2') takeQcow2Options(options);
  else if (format === 'vpc') takeChs(options);
}

function takeQcow2Options(options: BlockOptions): void {
  for (const name of ['lazy-refcounts', 'discard-no-unref']) options.takeFlag(name);
  for (const name of ['request', 'snapshot', 'other']) options.takeFlag(`pass-discard-${name}`);
  takeCacheSizes(options);
  const interval = options.takeNumber('cache-clean-interval');
  if (interval !== undefined && interval > MAX_CLEAN_INTERVAL) {
    throw invalid('Cache clean interval too big');
  }
  takeOverlapChecks(options);
}

function takeCacheSizes(options: BlockOptions): void {
  const all = options.takeSize('cache-size');
  const l2 = options.takeSize('l2-cache-size');
  const refcounts = options.takeSize('refcount-cache-size');
  const entry = options.takeSize('l2-cache-entry-size');
  if (entry !== undefined && (entry < 512 || !Number.isInteger(Math.log2(entry)))) {
    throw invalid(
      'L2 cache entry size must be a power of two between 512 and the cluster size (65536)',
    );
  }
  if (all === undefined) return;
  if (l2 !== undefined && refcounts !== undefined) {
    throw invalid(
      'cache-size, l2-cache-size and refcount-cache-size may not be set at the same time',
    );
  }
  if (l2 !== undefined && l2 > all) throw invalid('l2-cache-size may not exceed cache-size');
  if (refcounts !== undefined && refcounts > all) {
    throw invalid('refcount-cache-size may not exceed cache-size');
  }
}

function takeOverlapChecks(options: BlockOptions): void {
  const short = options.takeText('overlap-check');
  const template = options.takeText('overlap-check.template');
  if (short !== undefined && template !== undefined && short !== template) {
    throw invalid(
      `Conflicting values for qcow2 options 'overlap-check' ('${short}') and ` +
        `'overlap-check.template' ('${template}')`,
    );
  }
  const chosen = short ?? template ?? 'cached';
  if (!OVERLAP_TEMPLATES.includes(chosen)) {
    throw invalid(
      `Unsupported value '${chosen}' for qcow2 option 'overlap-check'. ` +
        `Allowed are any of the following: ${OVERLAP_TEMPLATES.join(', ')}`,
    );
  }
  for (const structure of OVERLAP_STRUCTURES) options.takeFlag(`overlap-check.${structure}`);
}

function takeChs(options: BlockOptions): void {
  const calculation = options.takeText('force_size_calc');
  if (calculation === undefined) return;
  if (['current_size', 'chs'].includes(calculation)) return;
  throw invalid(`Invalid size calculation algorithm`);
}
