/** `npm run bench [-- NAME…] [--quick] [--rounds COUNT] [--json]`: diskfile and its peers side by side. */
import { rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { findProgram, scratchDirectory } from './host.ts';
import { FULL_SIZES, Images, QUICK_SIZES } from './images.ts';
import { compressing } from './suites/compressing.ts';
import { converting } from './suites/converting.ts';
import { memory } from './suites/memory.ts';
import { random } from './suites/random.ts';
import { sequential } from './suites/sequential.ts';
import { startup } from './suites/startup.ts';
import { tables } from './suites/tables.ts';
import { writing } from './suites/writing.ts';
import type { Bench, Suite } from './suites/suite.ts';
import { formatSection, type Section } from './table.ts';

const SUITES: Readonly<Record<string, Suite>> = {
  startup,
  sequential,
  random,
  memory,
  compressing,
  converting,
  writing,
  tables,
};

const FULL_WRITE_BYTES = 2 ** 30;
const QUICK_WRITE_BYTES = 2 ** 28;

const HELP = `npm run bench [-- NAME…] [--quick] [--rounds COUNT] [--json]

diskfile and its peers side by side. NAME is one or more of ${Object.keys(SUITES).join(', ')};
without one, all of them run.

  --quick         smaller images and three rounds
  --rounds COUNT  rounds of each measurement, 1 to 99
  --json          data instead of tables
  --help          this text`;

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      quick: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      rounds: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    print(HELP);
    return;
  }
  const names = positionals.length === 0 ? Object.keys(SUITES) : positionals;
  const unknown = names.find((name) => !Object.hasOwn(SUITES, name));
  if (unknown !== undefined) {
    throw new Error(
      `There is no benchmark ${unknown}; there are ${Object.keys(SUITES).join(', ')}`,
    );
  }
  if (values.rounds !== undefined && !/^[1-9]\d?$/.test(values.rounds)) {
    throw new Error('--rounds wants a number from 1 to 99');
  }
  const qemuImg = findProgram('qemu-img');
  if (qemuImg === undefined) {
    throw new Error('qemu-img makes the images and is the peer: install it (Debian: qemu-utils)');
  }
  const scratch = scratchDirectory();
  const bench: Bench = {
    images: new Images(qemuImg, values.quick ? QUICK_SIZES : FULL_SIZES),
    scratch,
    rounds: Number(values.rounds ?? (values.quick ? 3 : 5)),
    writeBytes: values.quick ? QUICK_WRITE_BYTES : FULL_WRITE_BYTES,
    blockReads: values.quick ? 20_000 : 100_000,
  };
  const sections: Section[] = [];
  try {
    if (!values.json) print(`Node ${process.version}, ${availableParallelism()} cores\n`);
    for (const name of names) {
      const section = await SUITES[name]!(bench);
      sections.push(section);
      if (!values.json) print(formatSection(section));
    }
    if (values.json) print(JSON.stringify(sections, undefined, 2));
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

try {
  await main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
