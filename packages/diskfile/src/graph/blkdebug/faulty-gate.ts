/** A gate that plays the faults which a name in an image puts over the file that it names. */
import { closeStorage, type OpenGate } from '@diskfile/core';
import { BlockOptions, invalid } from '../options/block-options.ts';
import { playFaults } from './blkdebug-node.ts';
import { takeRules } from './rule-parsing.ts';

export function faultyGate(inner: OpenGate): OpenGate {
  return {
    *open(request) {
      const { faults } = request.file;
      if (faults === undefined) return yield* inner.open(request);
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
