/** Why an image cannot be created, in the words of qemu-img. */
import { hostErrorText } from '@diskfile/command';
import { statSync } from 'node:fs';
import { DiskError } from 'diskfile';
import type { OptionValues } from '../arguments/option-list.ts';
import { MAX_OFFSET } from '../arguments/sizes.ts';
import { lockedWords } from '../images/target-path.ts';
import { wordsOf, wordsOfWriting } from './disk-words.ts';

export interface CreationTarget {
  readonly format: string;
  /** Of the host, without the protocol that the name may have. */
  readonly path: string;
  readonly values: OptionValues;
}

/** Where the library has one word for several refusals, the option tells which one it is. */
const VERSION_REFUSALS: readonly (readonly [string, (text: string) => boolean, string])[] = [
  ['lazy_refcounts', isOn, 'Lazy refcounts only supported'],
  ['data_file', isGiven, 'External data files are only supported'],
  ['extended_l2', isOn, 'Extended L2 entries are only supported'],
  ['compression_type', (text) => text !== 'zlib', 'Non-zlib compression type is only supported'],
  ['refcount_bits', (text) => text !== '16', 'Different refcount widths than 16 bits require'],
];

const MAX_WHOLE_SECTORS = 2n ** 63n - 512n;

/** Errors of the host for which there can be no file of that name. */
const BAD_PATHS: ReadonlySet<string> = new Set(['ENAMETOOLONG', 'ENOTDIR', 'ELOOP', 'EACCES']);

export function creationWords(error: unknown, target: CreationTarget): string {
  if (!(error instanceof DiskError)) throw error;
  const { format, path, values } = target;
  if (error.code === 'wrong-key') {
    const prefix = format === 'luks' ? '' : 'encrypt.';
    return `Parameter '${prefix}key-secret' is required for cipher`;
  }
  if (error.context.purpose !== undefined) return purposeWords(error, format);
  if (error.detail === 'create.too-large' || isTooLarge(error)) return tooLargeWords(target);
  if (error.errno !== undefined && BAD_PATHS.has(error.errno)) {
    return `Could not create '${path}': ${hostErrorText(error.errno)}`;
  }
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) {
    return `Could not create '${path}': ${hostErrorText('EISDIR')}`;
  }
  if (error.detail.startsWith('storage.') && error.context.path === path) {
    if (error.detail === 'storage.not-found' || error.detail === 'storage.permission') {
      return `Could not create '${path}': ${hostErrorText(error.errno)}`;
    }
  }
  const refusal = encryptionWords(error, values);
  if (refusal !== undefined) return refusal;
  if (format === 'qcow2') {
    const words = versionWords(error, values) ?? combinationWords(error, values);
    if (words !== undefined) return words;
  }
  const words = wordsOfWriting(error);
  return error.detail === 'storage.locked' ? lockedWords(path, words) : words;
}

/** Of space that the host did not have, or had no room for in one file. */
function purposeWords(error: DiskError, format: string): string {
  if (error.errno === 'EFBIG') return beyondFormat(format);
  return (format === 'qcow2' ? 'Could not resize image: ' : '') + wordsOf(error);
}

function beyondFormat(format: string): string {
  const hint = format === 'qcow2' ? ' (try using a larger cluster size)' : '';
  return `The image size is too large for file format '${format}'${hint}`;
}

/** Those that QEMU has names for, and the platforms have not. */
const CIPHERS_OF_QEMU = /^(?:3?des|cast5-128|(?:serpent|twofish)-(?:128|192|256))$/;

/** Of a choice that does not exist, the one that has no such name is told. */
function encryptionWords({ detail, message }: DiskError, values: OptionValues): string | undefined {
  const format = values.get('encrypt.format')?.text;
  const isLegacy = values.get('encryption')?.value === true;
  const [foreign] = /^encrypt\.[a-z-]+(?= is an option of)/.exec(message) ?? [];
  if (detail === 'create.passphrase-unused' || foreign !== undefined) {
    if (format !== undefined || isLegacy) return `Parameter '${foreign}' is unexpected`;
    return values.has('encrypt.key-secret') || foreign !== undefined
      ? "Parameter 'encrypt.format' is missing"
      : undefined;
  }
  if (isLegacy && format !== undefined) {
    return "'encrypt.format' and its alias 'encryption' can't be used at the same time";
  }
  if (message.startsWith('encrypt.format is one of ')) {
    return `Parameter 'format' does not accept value '${format}'`;
  }
  if (detail === 'qcow.encrypt-format' && format !== 'luks') {
    return `Parameter 'format' does not accept value '${format}'`;
  }
  const [, parameter, value] = /^([a-z-]+): "([^"]*)" is not available$/.exec(message) ?? [];
  if (parameter === undefined) return undefined;
  if (parameter === 'cipher-alg' && CIPHERS_OF_QEMU.test(value!)) {
    return `Algorithm '${value}' not supported`;
  }
  return `Parameter '${parameter}' does not accept value '${value}'`;
}

function isTooLarge({ detail, errno }: DiskError): boolean {
  return (
    detail === 'create.size' ||
    detail === 'qcow2.create.size' ||
    detail === 'vhd.too-large' ||
    detail === 'vdi.too-large' ||
    detail === 'storage.file-too-large' ||
    errno === 'EFBIG'
  );
}

function tooLargeWords({ format, values }: CreationTarget): string {
  if (format === 'vdi') {
    const sectors = (BigInt(values.get('size')!.text) + 511n) / 512n;
    const size = (sectors * 512n).toString(16);
    return `Unsupported VDI image size (size is 0x${size}, max supported is 0x1fffff8000000)`;
  }
  if (format === 'vhdx') return 'Image size too large; max of 64TB';
  if (format === 'parallels') return 'Image size is too large for this cluster size';
  if (format === 'qed') {
    return 'QED image size must be a non-zero multiple of cluster size and less than 70368744177664 bytes';
  }
  if (format === 'luks') return 'The requested file size is too large';
  const asked = BigInt(values.get('size')?.text ?? 0);
  if (format === 'qcow2' && asked > MAX_OFFSET) return beyondOffsets(asked);
  if (format === 'raw' && asked > MAX_WHOLE_SECTORS)
    return 'Could not resize file: Invalid argument';
  return beyondFormat(format);
}

/** What QEMU says before it looks at the format's own limit, once it has rounded to sectors. */
function beyondOffsets(asked: bigint): string {
  if (asked > MAX_WHOLE_SECTORS) return 'Could not resize image: Image size cannot be negative';
  const size = ((asked + 511n) / 512n) * 512n;
  return `Could not resize image: offset(${size}) exceeds maximum(${MAX_OFFSET})`;
}

function versionWords({ detail }: DiskError, values: OptionValues): string | undefined {
  const compat = values.get('compat')?.text;
  if (compat !== '0.10' && compat !== 'v2') return undefined;
  for (const [option, applies, what] of VERSION_REFUSALS) {
    const text = values.get(option)?.text;
    if (detail !== `qcow2.create.${option}` || text === undefined || !applies(text)) continue;
    const level = what.endsWith('require') ? '1.1 or above' : '1.1 and above';
    const verb = what.endsWith('require') ? what : `${what} with`;
    return `${verb} compatibility level ${level} (use version=v3 or greater)`;
  }
  return undefined;
}

function combinationWords({ detail }: DiskError, values: OptionValues): string | undefined {
  if (detail === 'qcow2.create.data_file_raw' && values.has('backing_file')) {
    return 'Backing file and data-file-raw cannot be used at the same time';
  }
  if (detail === 'qcow2.create.preallocation' && !values.has('backing_file')) {
    return `Parameter 'preallocation' does not accept value '${values.get('preallocation')!.text}'`;
  }
  if (detail === 'qcow2.create.compat') {
    return `Parameter 'version' does not accept value '${values.get('compat')!.text}'`;
  }
  if (detail === 'qcow2.create.compression_type') {
    const text = values.get('compression_type')!.text;
    return `Parameter 'compression-type' does not accept value '${text}'`;
  }
  return undefined;
}

function isOn(text: string): boolean {
  return text.startsWith('o') ? text === 'on' : /^(y|yes|true)$/.test(text);
}

function isGiven(): boolean {
  return true;
}
