import {
  copyFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { openDiskFileSync } from 'diskfile';
import { Program } from '../src/program.ts';
import { COMMANDS, runProgram } from '../src/run-program.ts';

// The bundle has it from the package.
Object.assign(globalThis, { COMMAND_VERSION: '0.0.0' });

const scratch = mkdtempSync(join(tmpdir(), 'disk-img-json-'));
let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(scratch, 'test-'));
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** As it comes on a terminal. */
  readonly both: string;
}

/** Words of the form `./name` are files of the test's directory. */
async function run(name: string, line: string, isTerminal = false): Promise<Result> {
  let stdout = '';
  let stderr = '';
  let both = '';
  const output = {
    isTerminal,
    text: (text: string) => void ([stdout, both] = [stdout + text, both + text]),
    bytes: () => undefined,
    flush: () => undefined,
  };
  const writeError = (text: string) => void ([stderr, both] = [stderr + text, both + text]);
  const isErrorTerminal = () => isTerminal;
  const args = line.split(' ').map((word) => word.replaceAll('./', `${directory}/`));
  const code = await runProgram(new Program(name, { output, writeError, isErrorTerminal }), args);
  return { code, stdout, stderr, both };
}

it('wipes a bar away where text comes', async () => {
  await prepare(['create -q ./a 1M', 'create -q ./b 2M']);
  const { both: told } = await run('disk-img', 'compare -p -f raw -F raw ./a ./b', true);
  const wipe = '\r\u001b[K';
  expect(told).toMatch(/^.* 0 %/);
  expect(told).toContain(`${wipe}Warning: Image size mismatch!\n`);
  expect(told.slice(told.lastIndexOf(wipe))).toBe(`${wipe}Images are identical.\n`);
});

async function prepare(lines: readonly string[]): Promise<void> {
  for (const line of lines) expect(await run('disk-img', line)).toMatchObject({ code: 0 });
}

async function document(line: string, code = 0): Promise<unknown> {
  const result = await run('disk-img', line);
  expect([line, result.code, result.stderr]).toEqual([line, code, '']);
  return JSON.parse(result.stdout) as unknown;
}

const info = (image: string) => document(`info --output=json ${image}`);

const IMAGE = 'create -q -f qcow2 ./a 1M';
const OVERLAY = 'create -q -f qcow2 -b a -F qcow2 ./b';
const SECRET = '--object secret,id=s,data=abc';
const LUKS = `create -q -f luks ${SECRET} -o key-secret=s,iter-time=10 ./a 1M`;

interface Row {
  readonly prepare: readonly string[];
  /** Without `--output=json`. */
  readonly line: string;
  /** The image of which the document is to tell; several where it is a list. */
  readonly tells?: string | readonly string[];
  /** What the document is otherwise. */
  readonly document?: unknown;
  /** Whether qemu-img knows the option. */
  readonly isGenuine?: boolean;
  readonly code?: number;
}

/** By command, and what more is to be said of it. */
const ROWS: Readonly<Record<string, Row>> = {
  amend: { prepare: [IMAGE], line: 'amend -o lazy_refcounts=on ./a', tells: './a' },
  'amend of key slots': {
    prepare: [LUKS],
    line: `amend ${SECRET} --object secret,id=t,data=xyz -o state=active,new-secret=t,keyslot=1,iter-time=10 --image-opts driver=luks,key-secret=s,file.filename=./a`,
    tells: './a',
  },
  bench: {
    prepare: [IMAGE],
    line: 'bench -c 8 -d 2 -s 512 ./a',
    document: {
      count: 8,
      depth: 2,
      'bytes-per-request': 512,
      seconds: expect.any(Number),
      'bytes-per-second': expect.any(Number),
      'requests-per-second': expect.any(Number),
    },
  },
  bitmap: { prepare: [IMAGE], line: 'bitmap --add ./a one', tells: './a' },
  check: {
    prepare: [IMAGE],
    line: 'check ./a',
    document: expect.objectContaining({ 'check-errors': 0 }),
    isGenuine: true,
  },
  commit: { prepare: [IMAGE, OVERLAY], line: 'commit -p ./b', tells: './a' },
  'commit into one far below': {
    prepare: [IMAGE, OVERLAY, 'create -q -f qcow2 -b b -F qcow2 ./c'],
    line: 'commit -b ./a ./c',
    tells: './a',
  },
  compare: {
    prepare: [IMAGE],
    line: 'compare ./a ./a',
    document: { identical: true, 'sizes-differ': false },
  },
  convert: { prepare: [IMAGE], line: 'convert -p -O vdi ./a ./b', tells: './b' },
  'convert into an image that is there': {
    prepare: [IMAGE, 'create -q -f qcow2 ./b 2M'],
    line: 'convert -n -O qcow2 ./a ./b',
    tells: './b',
  },
  create: { prepare: [], line: 'create -f qcow2 -o compat=0.10 ./a 1M', tells: './a' },
  'create of one that is quiet': { prepare: [], line: 'create -q ./a 1M', tells: './a' },
  dd: { prepare: [IMAGE], line: 'dd -O qcow2 bs=512 count=9 if=./a of=./b', tells: './b' },
  diff: { prepare: [IMAGE], line: 'diff ./a ./a', document: [], isGenuine: true },
  digest: {
    prepare: [IMAGE],
    line: 'digest ./a',
    document: { filename: expect.any(String), digest: expect.any(String) },
    isGenuine: true,
  },
  flatten: { prepare: [IMAGE, OVERLAY], line: 'flatten ./b', tells: './b' },
  fork: { prepare: [IMAGE], line: 'fork ./a ./base', tells: ['./a'] },
  'fork with a clone': {
    prepare: [IMAGE],
    line: 'fork ./a ./base ./clone',
    tells: ['./a', './clone'],
  },
  info: { prepare: [IMAGE], line: 'info ./a', tells: './a', isGenuine: true },
  map: {
    prepare: [IMAGE],
    line: 'map ./a',
    document: [expect.objectContaining({ start: 0, length: 2 ** 20, data: false })],
    isGenuine: true,
  },
  measure: {
    prepare: [],
    line: 'measure --size 1M',
    document: { required: 2 ** 20, 'fully-allocated': 2 ** 20 },
    isGenuine: true,
  },
  rebase: { prepare: [IMAGE, OVERLAY], line: 'rebase -p -b  ./b', tells: './b' },
  resize: { prepare: [IMAGE], line: 'resize ./a +1M', tells: './a' },
  snapshot: { prepare: [IMAGE], line: 'snapshot -c one ./a', tells: './a' },
  'snapshot that is applied': {
    prepare: [IMAGE, 'snapshot -c one ./a'],
    line: 'snapshot -a one ./a',
    tells: './a',
  },
  'snapshot that is deleted': {
    prepare: [IMAGE, 'snapshot -c one ./a'],
    line: 'snapshot -d one ./a',
    tells: './a',
  },
  'snapshot list': {
    prepare: [IMAGE, 'snapshot -c one ./a'],
    line: 'snapshot -l ./a',
    document: [expect.objectContaining({ id: '1', name: 'one' })],
  },
};

const asJson = (line: string): string => line.replace(' ', ' --output=json ');

describe('--output=json', () => {
  it('is there for every command', () => {
    const rows = new Set(Object.keys(ROWS).map((title) => title.split(' ')[0]));
    expect([...rows].toSorted()).toEqual(Object.keys(COMMANDS).toSorted());
  });

  it.each(Object.entries(ROWS))('makes one document of %s', async (_, row) => {
    await prepare(row.prepare);
    const { code, stdout, stderr } = await run('disk-img', asJson(row.line));
    const progress = row.line.includes(' -p ')
      ? /^(\{"doneBytes":\d+,"totalBytes":\d+\}\n)*$/
      : /^$/;
    expect([code, stderr]).toEqual([row.code ?? 0, expect.stringMatching(progress)]);
    const expected =
      row.tells === undefined
        ? row.document
        : typeof row.tells === 'string'
          ? await info(row.tells)
          : await Promise.all(row.tells.map(info));
    expect(JSON.parse(stdout)).toEqual(expected);
  });

  it.each(Object.entries(ROWS))('is as unknown to qemu-img as it was: %s', async (_, row) => {
    await prepare(row.prepare);
    const { code, stdout, stderr } = await run('qemu-img', asJson(row.line));
    if (row.isGenuine === true) {
      expect([code, stderr]).toEqual([row.code ?? 0, '']);
      expect(JSON.parse(stdout)).toBeInstanceOf(Object);
    } else {
      expect([code, stdout]).toEqual([1, '']);
      expect(stderr).toMatch(/^qemu-img: unrecognized option '--output=json'\n/);
    }
  });

  it.each(Object.keys(COMMANDS))('is told of by the help of %s', async (command) => {
    const { stdout } = await run('disk-img', `${command} --help`);
    expect(stdout).toMatch(/^usage: disk-img .* \[--output=ofmt\] .*\n[^]*\n--output=json prints/);
    const genuine = await run('qemu-img', '--help');
    const line = genuine.stdout.split('\n').find((each) => each.startsWith(`  ${command} `))!;
    expect(line.includes('--output')).toBe(/^ +(check|info|map|measure) /.test(line));
  });

  it('knows no other forms than two', async () => {
    for (const command of Object.keys(COMMANDS)) {
      const { code, stderr } = await run('disk-img', `${command} --output=xml x y`);
      expect([command, code, stderr]).toEqual([
        command,
        command === 'compare' ? 2 : 1,
        'disk-img: --output must be used with human or json as argument.\n',
      ]);
    }
    await prepare([IMAGE, 'resize --output=human ./a 2M']);
  });

  it('may stand behind the size', async () => {
    await prepare([IMAGE]);
    expect(await document('resize ./a +1M --output=json')).toEqual(await info('./a'));
    expect(await document('resize ./a +1M --output json')).toEqual(await info('./a'));
    expect(await run('qemu-img', 'resize ./a +1M --output=json')).toMatchObject({ code: 1 });
  });
});

function jsonLines(text: string): object[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as object);
}

describe('--json-lines', () => {
  const END = { doneBytes: 2 ** 20, totalBytes: 2 ** 20 };
  it.each([
    'amend -o compat=0.10 ./b',
    'commit ./b',
    'compare ./a ./b',
    'convert -O vdi ./a ./c',
    'dd if=./a of=./c',
    'diff ./a ./b',
    'digest ./a',
    'flatten ./b',
    'rebase -b  ./b',
  ])('tells of the end, in bytes: %s', async (line) => {
    await prepare([IMAGE, OVERLAY]);
    const { code, stderr } = await run('disk-img', line.replace(' ', ' --json-lines '));
    // What a change of options takes is not counted.
    const end = line.startsWith('amend') ? { doneBytes: 0, totalBytes: 0 } : END;
    expect([code, jsonLines(stderr).at(-1)]).toEqual([0, end]);
  });

  it('tells of no end that there was not', async () => {
    await prepare([IMAGE]);
    const { code, stderr } = await run('disk-img', 'amend --json-lines -o compat=nope ./a');
    // A reader of lines is not to meet another kind of line when something goes wrong.
    const error = expect.objectContaining({ message: 'Unknown compatibility level nope' });
    expect([code, jsonLines(stderr)]).toEqual([1, [{ error }]]);
  });
});

async function failure(line: string): Promise<{ code: number; error: unknown }> {
  const { code, stdout, stderr } = await run('disk-img', asJson(line));
  expect(stdout).toBe('');
  const { error } = jsonLines(stderr).at(-1) as { error: unknown };
  return { code, error };
}

describe('a failure as JSON', () => {
  it('says what the error behind it says, and what to try', async () => {
    const words = `Could not open '${directory}/a': Could not open '${directory}/a': No such file or directory`;
    const error = {
      code: 'not-found',
      detail: 'storage.not-found',
      message: words,
      hint: 'Check the path.',
    };
    expect(await failure('info ./a')).toEqual({ code: 1, error });
    expect(await failure('compare ./a ./a')).toEqual({ code: 2, error });
    const inWords = await run('disk-img', 'info ./a');
    expect(inWords.stderr).toBe(`disk-img: ${words}\ndisk-img: Check the path.\n`);
    const genuine = await run('qemu-img', 'info --output=json ./a');
    expect(genuine.stderr).toBe(`qemu-img: ${words}\n`);
  });

  it('has what the other lines say in its message', async () => {
    await prepare([IMAGE]);
    const shrinking = await failure('resize ./a 4k');
    expect(shrinking.error).toEqual({
      message: expect.stringMatching(/^Use the --shrink .*\nwarning: Shrinking .*$/),
    });
    const { error } = await failure('create -f qcow2 -b ./a ./b');
    expect(error).toEqual({
      message: expect.stringMatching(/ without backing format\nDetected format of qcow2\.$/),
    });
    expect(readdirSync(directory)).toEqual(['a']);
  });

  it('stands behind the warnings, which are lines as well', async () => {
    writeFileSync(join(directory, 'raw'), new Uint8Array(512));
    const { stderr } = await run('disk-img', asJson('snapshot -c x ./raw'));
    expect(jsonLines(stderr)).toEqual([
      { warning: { message: expect.stringMatching(/^WARNING: Image format was not/) } },
      { error: expect.objectContaining({ code: 'unsupported' }) },
    ]);
    const warned = await run('disk-img', asJson('dd skip=9 if=./raw of=./b'));
    expect(warned.stderr).toBe(
      `{"warning":{"message":"${directory}/raw: cannot skip to specified offset"}}\n`,
    );
  });

  it('stands behind what QEMU would say of damaged tables', async () => {
    await prepare([IMAGE]);
    const image = openDiskFileSync(join(directory, 'a'), { readOnly: false });
    image.writeSync(new Uint8Array(512).fill(1), 0);
    image.closeSync();
    const bytes = readFileSync(join(directory, 'a'));
    const l1TableOffset = Number(bytes.readBigUInt64BE(40));
    bytes.writeUInt8(2, l1TableOffset + 6);
    writeFileSync(join(directory, 'a'), bytes);
    const { code, stderr } = await run('disk-img', asJson('map ./a'));
    expect(code).toBe(1);
    expect(jsonLines(stderr)).toEqual([
      { warning: { message: expect.stringMatching(/^qcow2: Image is corrupt: L2 table offset/) } },
      { error: expect.objectContaining({ code: 'corrupt', detail: 'qcow2.l2-table-unaligned' }) },
    ]);
  });

  it('comes with an exit code that says so, where qemu-img has another', async () => {
    await prepare([IMAGE, OVERLAY]);
    const line = 'convert -n --target-is-zero -B ./a -O qcow2 ./a ./b';
    const message = expect.stringMatching(/^Cannot use --target-is-zero when /);
    expect(await failure(line)).toEqual({ code: 1, error: { message } });
    expect(await run('qemu-img', line)).toMatchObject({ code: 0 });
  });

  it('is there for arguments that make no sense, wherever they stand', async () => {
    const message = "unrecognized option '--nope'";
    expect(await failure('info --nope ./a')).toEqual({ code: 1, error: { message } });
    expect(await failure('nope ./a')).toEqual({
      code: 1,
      error: { message: 'Command not found: nope' },
    });
    expect((await run('disk-img', 'info --nope --outp json ./a')).stderr).toContain('{"error":');
    expect((await run('disk-img', 'info --nope ./a')).stderr).toContain('disk-img: unrec');
    expect((await run('disk-img', 'create --object help --output=json ./a 1')).stderr).toBe('');
  });

  it('has a code wherever the library has one', async () => {
    writeFileSync(join(directory, 'raw'), new Uint8Array(512));
    await prepare([IMAGE, OVERLAY]);
    const codes = {
      'bitmap --remove ./a x': 'qcow2.bitmap-not-found',
      'snapshot -a x ./a': 'disk.snapshot-not-found',
      'snapshot -c x ./raw': 'command.no-snapshots',
      'check -f raw ./raw': 'check.no-check',
      'commit -b x ./b': 'chain.base-not-found',
      'create -f qcow2 -b ./none -F qcow2 ./c': 'storage.not-found',
      'amend -o compat=nope ./a': 'qcow2.amend.compat',
      'convert -O qcow2 -o nope=1 ./a ./c': 'command.option',
      'rebase -b ./none -F qcow2 ./a': 'storage.not-found',
      'fork ./a ./raw': 'fork.name-taken',
      'flatten ./none': 'storage.not-found',
    };
    const found: Record<string, unknown> = {};
    for (const line of Object.keys(codes)) {
      const { error } = await failure(line);
      found[line] = (error as { detail?: string }).detail;
    }
    expect(found).toEqual(codes);
  });

  it('says what to try, as far as the command line shows it', async () => {
    await prepare([IMAGE]);
    const wrong = await failure('info -f vmdk ./a');
    expect(wrong.error).toMatchObject({ hint: expect.stringContaining('no vmdk image') });
    const image = join(directory, 'a');
    const bytes = readFileSync(image);
    bytes[79]! |= 2; // the corrupt bit
    writeFileSync(image, bytes);
    const marked = await failure('resize -f qcow2 ./a 2M');
    expect(marked.error).toMatchObject({ hint: "'disk-img check -r all' repairs it." });
    await prepare([OVERLAY]);
    const twice = `${directory}//a`;
    for (const line of ['convert -O qcow2 ./a ./a', `convert -O qcow2 ${twice} ./a`]) {
      const { error } = await failure(line);
      expect(error).toMatchObject({ hint: expect.stringContaining('another name') });
    }
    const below = await failure('convert -O qcow2 ./b ./a');
    expect(below.error).toMatchObject({ hint: expect.stringContaining('another name') });
  });

  it('says so too where the failure is told in other words', async () => {
    await prepare([IMAGE, OVERLAY]);
    using disk = openDiskFileSync(join(directory, 'b'), { readOnly: false });
    expect(disk.readOnly).toBe(false);
    for (const line of ['info ./b', 'commit ./b', 'flatten ./b', 'resize ./b 2M']) {
      const { error } = await failure(line);
      expect(error).toMatchObject({ hint: expect.stringContaining("'-U'") });
    }
  });
});

describe('for people', () => {
  it('digest says where an image cannot be read', async () => {
    await prepare([IMAGE]);
    writeFileSync(join(directory, 'r'), Buffer.alloc(1 << 20, 'abc'));
    await prepare(['convert -f raw -O qcow2 -c ./r ./c']);
    truncateSync(join(directory, 'c'), 5 * 65536 + 100);
    const { code, stderr } = await run('disk-img', 'digest ./c');
    expect(code).toBe(1);
    expect(stderr).toMatch(/^disk-img: error while reading '.*c' near byte 0 of the disk: /);
  });

  it('digest says so by the place on the disk, and not in the file', async () => {
    await prepare(['create -f qcow2 ./a 2G', 'resize -f qcow2 --preallocation=metadata ./a 2049M']);
    const image = join(directory, 'a');
    const bytes = readFileSync(image);
    const lastEntry = Number(bytes.readBigUInt64BE(40)) + 4 * 8;
    // The table lies where no cluster begins.
    bytes[lastEntry + 6]! ^= 2;
    writeFileSync(image, bytes);
    const { code, stderr } = await run('disk-img', 'digest ./a');
    expect(code).toBe(1);
    expect(stderr).toMatch(/: error while reading '.*a' near byte 2147483648 of the disk: /);
  });

  it('diff says which disk has no files', async () => {
    await prepare([IMAGE]);
    const { code, stderr } = await run('disk-img', 'diff --files ./a ./a');
    expect(code).toBe(2);
    expect(stderr).toMatch(/^disk-img: Could not list the files of '.*a': .*\n.*Without '--files'/);
  });

  it('diff says in which disk a directory cannot be read', async () => {
    const image = join(import.meta.dirname, '../../../test-images/no-table-ext2.qcow2');
    await prepare([`convert -O raw ${image} ./a`, `convert -O raw ${image} ./b`]);
    const bytes = readFileSync(join(directory, 'b'));
    for (let at = 0; at < bytes.length; at += 1024) {
      // The entry "." of a directory that is not the root.
      const isDirectory = bytes.readUInt32LE(at + 4) === 0x0201_000c && bytes[at + 8] === 0x2e;
      if (isDirectory && bytes.readUInt32LE(at) !== 2) bytes.writeUInt16LE(0xffff, at + 4);
    }
    writeFileSync(join(directory, 'b'), bytes);
    const { code, stderr } = await run('disk-img', 'diff --files -f raw -F raw ./a ./b');
    expect(code).toBe(2);
    expect(stderr).toMatch(/^disk-img: error while reading \/\S+ of '.*b': /);
  });

  it('diff says of which filesystem it cannot know', async () => {
    const guest = join(import.meta.dirname, '../../../test-images/debian-guest.qcow2');
    for (const name of ['a', 'b']) copyFileSync(guest, join(directory, name));
    expect(await run('disk-img', 'diff --files ./a ./b')).toMatchObject({ code: 0, stderr: '' });
    const disk = openDiskFileSync(join(directory, 'b'), { readOnly: false });
    // Within the EFI system partition, whose filesystem is not read.
    disk.writeSync(new Uint8Array(65_536).fill(7), 4 * 1024 * 1024);
    disk.closeSync();
    const { code, stdout, stderr } = await run('disk-img', 'diff --files ./a ./b');
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(
      /^disk-img: warning: the files in \/boot\/efi of '.*a' are not compared: \/dev\/sda1: .*\n$/,
    );
  });

  it('flatten says when there is nothing to do', async () => {
    await prepare([IMAGE]);
    expect((await run('disk-img', 'flatten ./a')).stdout).toBe(
      'There is nothing below the image.\n',
    );
  });

  it('fork warns of an image that it takes for a raw one', async () => {
    writeFileSync(join(directory, 'r'), Buffer.alloc(65536));
    const { stderr } = await run('disk-img', 'fork ./r ./base');
    expect(stderr).toContain('probing guessed raw');
  });
});

describe('a repair by its own name', () => {
  const view = (bytes: Buffer) => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);

  /** The only L2 table is said to be where nothing is. */
  async function loseTable(): Promise<void> {
    await prepare([IMAGE]);
    const path = join(directory, 'a');
    using disk = openDiskFileSync(path, { readOnly: false });
    disk.writeSync(new Uint8Array(65_536).fill(1), 0);
    disk.closeSync();
    const bytes = readFileSync(path);
    const l1 = Number(view(bytes).getBigUint64(40));
    view(bytes).setBigUint64(l1, (1n << 63n) | (1n << 40n));
    writeFileSync(path, bytes);
  }

  it('says what is lost, and what is kept of it', async () => {
    await loseTable();
    const { code, stderr, stdout } = await run('disk-img', 'check -r all ./a');
    expect(code).toBe(3);
    expect(stdout).toContain('2 leaked clusters were found');
    expect(stderr.match(/^disk-img: warning: .*/gm)).toEqual([
      expect.stringMatching(/^disk-img: warning: The data of 0 clusters .* and 1 tables /),
      expect.stringMatching(/^disk-img: warning: Clusters that seem unused .* gives them up$/),
    ]);
    await loseTable();
    const told = await run('disk-img', 'check -r all --output=json ./a');
    expect(JSON.parse(told.stdout)).toMatchObject({ leaks: 2 });
    const messages = jsonLines(told.stderr).map((line) => JSON.stringify(line));
    expect(messages.filter((line) => line.includes('warning: '))).toHaveLength(2);
    await loseTable();
    expect((await run('qemu-img', 'check -r all ./a')).stderr).not.toContain('warning');
  });

  it('tells of damage for which qemu-img has no words', async () => {
    await loseTable();
    const { stderr } = await run('disk-img', 'check -r all ./a');
    expect(stderr).toMatch(/^ERROR: The L1 entry at 0x30000 names an L2 table at 0x10000000000, /m);
    expect(stderr).toMatch(/^Repaired: The L1 entry at 0x30000 /m);
  });

  it('lists the first of many findings, and says how many there are besides', async () => {
    await prepare(['create -q -f qcow2 -o cluster_size=512 ./a 1M']);
    const path = join(directory, 'a');
    const bytes = readFileSync(path);
    const tail = Buffer.alloc(bytes.length + 512 * 3000);
    bytes.copy(tail);
    const table = Number(view(bytes).getBigUint64(48));
    // Every other cluster behind the end counts as used, in blocks of their own.
    const first = bytes.length / 512;
    for (let block = 1; block < 10; block++) {
      const at = bytes.length + block * 512;
      view(tail).setBigUint64(table + block * 8, BigInt(at));
      for (let slot = 0; slot < 256; slot += 2) view(tail).setUint16(at + slot * 2, 1);
    }
    expect(first).toBeLessThan(256);
    writeFileSync(path, tail);
    const { code, stderr } = await run('disk-img', 'check -r all ./a');
    expect(code).toBe(0);
    const lines = stderr.split('\n');
    expect(lines.filter((line) => /^(Leaked|ERROR)/.test(line))).toHaveLength(1000);
    expect(lines[1000]).toMatch(/^There are \d+ more findings, which are not listed$/);
  });
});
