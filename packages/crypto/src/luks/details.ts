/** What a LUKS header says of itself, for people and programs. */
import type { FormatDetails } from '@diskfile/core';
import { cipherSpecOf, type LuksHeader } from './header.ts';

export function describeLuks(header: LuksHeader): FormatDetails {
  const { mode, cipher, ivGenerator, ivHash } = cipherSpecOf(header);
  const aesBits = (mode === 'xts' ? header.keyBytes / 2 : header.keyBytes) * 8;
  return {
    ivGenerator: ivGenerator ?? '',
    ...(ivGenerator === 'essiv' ? { ivGeneratorHash: ivHash ?? 'sha256' } : {}),
    hash: header.hash,
    cipher: `${cipher}-${aesBits}`,
    cipherMode: mode,
    uuid: header.uuid,
    slots: header.slots.map(({ isActive, iterations, keyOffset, stripes }) =>
      isActive ? { active: true, iterations, keyOffset, stripes } : { active: false, keyOffset },
    ),
    payloadOffset: header.payloadOffset,
    masterKeyIterations: header.masterKeyIterations,
  };
}
