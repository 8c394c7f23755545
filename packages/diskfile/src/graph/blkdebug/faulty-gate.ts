/** A gate that plays the faults which a name in an image puts over the file that it names. */
import { DiskError } from '@diskfile/bytes';
import { closeStorage, type JsonObject, type OpenGate } from '@diskfile/core';
import { BlockOptions, invalid } from '../options/block-options.ts';
import { playFaults } from './blkdebug-node.ts';
import { takeRules } from './rule-parsing.ts';

/** Options that an image may give. */
const ALLOWED = /^(?:inject-error|set-state|align)(?:\.|$)/;
/** Requests grow to that many bytes at least, which the image's author chooses. */
const MAX_ALIGN = 1024 * 1024;

export function faultyGate(inner: OpenGate): OpenGate {
  return {
    *open(request) {
      const { faults, filename } = request.file;
      if (faults === undefined) return yield* inner.open(request);
      refuseBeyondImages(faults, filename);
      const options = BlockOptions.of(faults);
      const rules = takeRules(options);
      const { storage } = yield* playFaults(yield* inner.open(request), rules, options);
      const { leftOver } = options;
      if (leftOver === undefined) return storage;
      yield* closeStorage(storage);
      throw invalid(`Block protocol 'blkdebug' doesn't support the option '${leftOver}'`);
    },
    supplies: (role, namedBy) => inner.supplies?.(role, namedBy) === true,
  };
}

/**
 * What else there is would let an image name a file that no gate has seen, or cut requests so small
 * that a copy never ends.
 */
function refuseBeyondImages(faults: JsonObject, path: string): void {
  const align = BlockOptions.of(faults).takeSize('align') ?? 0;
  const beyond =
    align > MAX_ALIGN ? 'align' : Object.keys(faults).find((key) => !ALLOWED.test(key));
  if (beyond === undefined) return;
  throw new DiskError(
    'denied',
    'graph.blkdebug-in-image',
    `A name in an image gives blkdebug the option ${beyond}, which only its user may do`,
    { path, op: 'open', hint: 'Give the options with the name of the image instead.' },
  );
}
