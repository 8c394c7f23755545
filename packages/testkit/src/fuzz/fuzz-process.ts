/** What runs in the watched process: `main.ts` starts it, and starts it again when it dies. */
import { fuzzLoop } from './fuzz-loop.ts';
import { StatusPage } from './status-page.ts';
import { loadTarget } from './targets/index.ts';

export interface FuzzJob {
  readonly target: string;
  readonly seed: number;
  readonly firstIndex: number;
  /** When to stop, in milliseconds since 1970. */
  readonly deadline: number;
  /** One past the last input. */
  readonly endIndex: number;
  readonly folder: string;
  readonly statusPath: string;
}

const job = JSON.parse(process.argv[2]!) as FuzzJob;
const page = new StatusPage(job.statusPath);
const target = await loadTarget(job.target);
const totals = await fuzzLoop(target, {
  seed: job.seed,
  firstIndex: job.firstIndex,
  folder: job.folder,
  report: (line) => process.stderr.write(`${line}\n`),
  goOn: (index, soFar) => {
    page.write({ index, ...soFar });
    return index < job.endIndex && Date.now() < job.deadline;
  },
});
page.write({ index: -1, ...totals });
page.close();
