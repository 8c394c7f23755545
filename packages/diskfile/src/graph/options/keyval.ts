/** Options as command lines have them: `driver=qcow2,file.filename=a,,b`; a comma is doubled. */
import { checkArgument, checkOptions } from '@diskfile/core';
import { BlockOptions, invalid } from './block-options.ts';

const MAX_LENGTH = 1024 * 1024;

export interface KeyvalWarnings {
  /** Told of words that stand alone, each of which means `word=on`. */
  onShortForm?(word: string): void;
}

/**
 * @param impliedKey name of a first value that stands without one
 * @throws DiskError `invalid-argument` for too many options
 */
export function parseKeyval(
  text: string,
  impliedKey?: string,
  warnings: KeyvalWarnings = {},
): BlockOptions {
  checkArgument('parse', 'text', text, 'text');
  if (impliedKey !== undefined) checkArgument('parse', 'impliedKey', impliedKey, 'text');
  checkOptions('parse', warnings, { onShortForm: 'callback' });
  if (text.length > MAX_LENGTH) throw invalid('The options are too long');
  const options = new BlockOptions();
  let isFirst = true;
  for (const part of splitAtCommas(text)) {
    const equals = part.indexOf('=');
    if (equals !== -1) options.set(part.slice(0, equals), part.slice(equals + 1));
    else if (isFirst && impliedKey !== undefined) options.set(impliedKey, part);
    else {
      warnings.onShortForm?.(part);
      options.set(part, 'on');
    }
    isFirst = false;
  }
  return options;
}

/** The parts between single commas; two of them stand for one within a part. */
function splitAtCommas(text: string): string[] {
  const parts: string[] = [];
  let part = '';
  for (let at = 0; at < text.length; at++) {
    if (text[at] !== ',') part += text[at];
    else if (text[at + 1] === ',') {
      part += ',';
      at += 1;
    } else {
      parts.push(part);
      part = '';
      // Nothing behind the last comma is no part.
      if (at + 1 === text.length) return parts;
    }
  }
  return text === '' ? parts : [...parts, part];
}
