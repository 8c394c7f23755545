/** What a LUKS header says of itself, for people and programs. */
import type { FormatDetails } from '@diskfile/core';
import { cipherSpecOf, type LuksHeader } from './header.ts';
import { cipherKeyBytes, nameFault } from './names.ts';

export function describeLuks(header: LuksHeader): FormatDetails {
  const { mode, cipher, ivGenerator, ivHash } = cipherSpecOf(header);
  const fault = nameFault(header);
  return {
    ivGenerator: ivGenerator ?? '',
    ...(ivGenerator === 'essiv' ? { ivGeneratorHash: ivHash ?? 'sha256' } : {}),
    hash: header.hash,
    cipher: `${cipher}-${cipherKeyBytes(header) * 8}`,
    cipherMode: mode,
    uuid: header.uuid,
    slots: header.slots.map(({ isActive, iterations, keyOffset, stripes }) =>
      isActive ? { active: true, iterations, keyOffset, stripes } : { active: false, keyOffset },
    ),
    payloadOffset: header.payloadOffset,
    masterKeyIterations: header.masterKeyIterations,
    ...(fault === undefined ? {} : { unsupported: fault }),
  };
}
