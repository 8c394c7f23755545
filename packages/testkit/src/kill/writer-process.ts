/**
 * Works on an image until it is killed: `writer-process.js JOB`. Prints a line for each operation
 * that is over: its number, and whether it was done or refused.
 */
import { writeSync } from 'node:fs';
import { DiskTrial } from '../model/disk-trial.ts';
import { isDone } from '../model/outcome.ts';
import { HostSubject } from '../subject/host-subject.ts';
import { SubjectFiles } from '../subject/subject-files.ts';
import { type KillJob, killOperations, killSubjects } from './kill-job.ts';

const STDOUT = 1;

const job = JSON.parse(process.argv[2]!) as KillJob;
const subject = new HostSubject(killSubjects()[job.subject]!, job.directory);
const trial = new DiskTrial(subject, new SubjectFiles());
const model = trial.modelNow();
let index = 0;
for (const operation of killOperations(job.seed)) {
  if (operation.isPossible?.(model) !== false) {
    const done = isDone(operation, trial, model);
    if (done) operation.apply(model);
    // At once: what is in a buffer dies with the process.
    writeSync(STDOUT, `${index} ${done ? 'done' : 'refused'}\n`);
  }
  index += 1;
}
