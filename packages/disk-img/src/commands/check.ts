/** `check`: looks for damage, and repairs it. */
import { hostErrorText, jsonText } from '@diskfile/command';
import {
  checkDiskFile,
  type CheckDiskFileOptions,
  checkDiskFileSync,
  type CheckReport,
  DiskError,
  type DiskFileCheckReport,
  openGraphFile,
  type RepairMode,
} from 'diskfile';
import { checkSourceCache, CommandOptions } from '../arguments/options.ts';
import { type ImageSource, imageSource, takesImageOptions } from '../images/image-source.ts';
import { OPEN_GATE, openImage, openSource, warnOfRaw } from '../images/open-image.ts';
import { Failure, type Program, usage } from '../program.ts';
import { findingsText } from '../report/check-findings.ts';
import { humanCheck, jsonCheck, repairedText } from '../report/check-report.ts';
import { openFailure } from '../words/open-failure.ts';

const EXIT_ERRORS = 2;
const EXIT_LEAKS = 3;
const EXIT_UNSUPPORTED = 63;

export async function run(program: Program, args: readonly string[]): Promise<number> {
  const options = new CommandOptions(program, 'check', args, {
    short: 'f:r:T:qU',
    long: {
      object: 'object:',
      'image-opts': 'image-opts',
      format: 'f:',
      repair: 'r:',
      output: 'output:',
      'force-share': 'U',
    },
  });
  const repair = repairOption(options.value('r'));
  const filename = options.theImage();
  const isJson = options.isJson;
  const isOptions = takesImageOptions(options, 'f');
  const { objects } = options;
  checkSourceCache(options.value('T'));
  const source = imageSource(filename, { format: options.value('f'), isOptions, objects });
  const forceShare = options.has('U');
  const isQuiet = options.has('q');
  // By its own name the command repairs more, and so that an interruption does no harm.
  const asQemu = repair === undefined || program.isLookAlike;
  if (program.isLookAlike) openBefore(program, source, { forceShare, repair });
  const first = await checkImage(program, source, { repair, forceShare, asQemu });
  tellFindings(program, first);
  if (!program.isLookAlike) {
    for (const { message } of first.warnings) program.warn(`warning: ${message}`);
  }
  if (first.genuine?.failure !== undefined) throw checkFailed(first.genuine.failure);
  const { corruptionsFixed, leaksFixed } = first;
  let report = first;
  if (corruptionsFixed > 0 || leaksFixed > 0) {
    if (!isJson && !isQuiet) program.output.text(repairedText(first));
    // Our own repair of qcow2 images has looked anew after each step, and told what is left.
    if (asQemu || first.format !== 'qcow2') {
      const second = await checkImage(program, source, {
        repair: undefined,
        forceShare,
        asQemu: true,
      });
      tellFindings(program, second);
      report = { ...second, corruptionsFixed, leaksFixed };
    }
  }
  const failure = report.genuine?.failure;
  if (failure !== undefined) throw checkFailed(failure);
  if (isJson) program.line(jsonText(jsonCheck(filename, report)));
  else if (!isQuiet) program.output.text(humanCheck(report));
  if (report.checkErrors > 0) throw new Failure('Check failed');
  return exitCodeOf(report);
}

function checkFailed(errno: string): Failure {
  return new Failure(`Check failed: ${hostErrorText(errno)}`);
}

function tellFindings(program: Program, report: CheckReport): void {
  const text = findingsText(report, program);
  if (text !== '') program.rawWarning(text);
}

function repairOption(text: string | undefined): RepairMode | undefined {
  if (text === undefined || text === 'leaks' || text === 'all') return text;
  throw usage(`Unknown option value for -r (expecting 'leaks' or 'all'): ${text}`);
}

/** Nothing of these is mended by a check. */
const WITHOUT_DATA: ReadonlySet<string> = new Set([
  'graph.no-secret',
  'gate.not-found',
  'qcow2.data-file-name',
  'qcow2.raw-without-data-file',
]);

interface CheckRequest {
  readonly repair: RepairMode | undefined;
  readonly asQemu: boolean;
  readonly forceShare: boolean;
}

async function checkImage(
  program: Program,
  source: ImageSource,
  { repair, forceShare, asQemu }: CheckRequest,
): Promise<DiskFileCheckReport> {
  const how = { forceShare, asQemu, gate: OPEN_GATE, ...(repair === undefined ? {} : { repair }) };
  try {
    return await (source.graph === undefined ? checkPath(source, how) : checkGraph(source, how));
  } catch (error) {
    if (error instanceof DiskError && /\.no-(check|repair)$/.test(error.detail)) {
      const isProbed = source.format === undefined && source.graph === undefined;
      const isRaw = error.context.format === 'raw';
      if (isProbed && isRaw && repair !== undefined) warnOfRaw(program, source.filename);
      // Whether it could be checked is told of images alone.
      if (!isRaw) openImage(program, { source, forceShare }).closeSync();
      const exitCode = EXIT_UNSUPPORTED;
      throw new Failure('This image format does not support checks', { exitCode, cause: error });
    }
    throw openFailure(source, error, { writable: repair !== undefined });
  }
}

/** QEMU opens an image before it checks it: what is below has to be there, and the key. */
function openBefore(
  program: Program,
  source: ImageSource,
  { forceShare, repair }: Pick<CheckRequest, 'forceShare' | 'repair'>,
): void {
  try {
    const disk = openImage(program, { source, forceShare });
    const dropsBitmaps =
      repair !== undefined && disk.warnings.some(({ detail }) => detail === 'qcow2.bitmaps-stale');
    disk.closeSync();
    // Opening for writing gives up bitmaps that the image does not vouch for.
    const how = { readOnly: false, forceShare, gate: OPEN_GATE, asQemu: true };
    if (dropsBitmaps) openSource(source, how).closeSync();
  } catch (error) {
    // Damage of the image itself is what the check is for.
    if (!(error instanceof Failure) || !(error.cause instanceof DiskError)) throw error;
    const { code, context, detail } = error.cause;
    // What is opened for a repair is opened for writing.
    if (repair === undefined && detail === 'vhdx.log-in-force') throw error;
    if (code === 'wrong-key' || (context.depth ?? 0) > 0 || WITHOUT_DATA.has(detail)) throw error;
  }
}

function checkPath({ path, format }: ImageSource, how: CheckDiskFileOptions): DiskFileCheckReport {
  return checkDiskFileSync(path!, format === undefined ? how : { ...how, format });
}

async function checkGraph(
  { graph, objects }: ImageSource,
  how: CheckDiskFileOptions,
): Promise<DiskFileCheckReport> {
  const { repair, forceShare = false } = how;
  const { storage, format } = await openGraphFile(graph!, {
    objects,
    forceShare,
    readOnly: repair === undefined,
  });
  try {
    return await checkDiskFile(storage, format === undefined ? how : { ...how, format });
  } finally {
    await storage.close();
  }
}

function exitCodeOf({ corruptions, leaks }: CheckReport): number {
  if (corruptions > 0) return EXIT_ERRORS;
  return leaks > 0 ? EXIT_LEAKS : 0;
}
