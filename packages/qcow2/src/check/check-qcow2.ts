/** Checks an image, and repairs it. */
import { DiskError } from '@diskfile/bytes';
import type { CheckContext, CheckReport, Step } from '@diskfile/core';
import { Inspection } from './inspection.ts';

/** What {@link FormatDriver.check} says. */
export function* checkQcow2(context: CheckContext): Step<CheckReport> {
  if (context.repair !== undefined) throw cannotRepair();
  const inspection = yield* Inspection.run(context);
  const { checkErrors, corruptions, leaks, listed, omitted } = inspection.findings;
  return {
    format: 'qcow2',
    checkErrors,
    corruptions,
    corruptionsFixed: 0,
    leaks,
    leaksFixed: 0,
    ...inspection.counts,
    findings: listed,
    findingsOmitted: omitted,
  };
}

function cannotRepair(): DiskError {
  return new DiskError('unsupported', 'qcow2.check.repair', 'qcow2 images are checked only so far');
}
