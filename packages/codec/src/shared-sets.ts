/**
 * The sets that all disks share, the fastest that the platform has. They are made by the first
 * block that is compressed: a command that meets none does not even load what makes them.
 */
import type { DecoderSet, EncoderSet } from '@diskfile/core';
import { makeDecoders } from './decoders.ts';
import { makeEncoders } from './encoders.ts';

let madeDecoders: DecoderSet | undefined;
let madeEncoders: EncoderSet | undefined;

const sharedDecoders: DecoderSet = {
  load: (id) => (madeDecoders ??= makeDecoders()).load(id),
  loadStream: (id) => (madeDecoders ??= makeDecoders()).loadStream(id),
};

const sharedEncoders: EncoderSet = {
  load: (id, level) => (madeEncoders ??= makeEncoders()).load(id, level),
};

export function decoders(): DecoderSet {
  return sharedDecoders;
}

export function encoders(): EncoderSet {
  return sharedEncoders;
}
