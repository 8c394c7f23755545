import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';

const MIB = 1024 * 1024;
const COMMAND = join(import.meta.dirname, '../bin/disk-img.js');
const scratch = mkdtempSync(join(tmpdir(), 'disk-img-process-'));
const bin = join(scratch, 'bin');
mkdirSync(bin);
symlinkSync(COMMAND, join(bin, 'qemu-img'));

afterAll(() => rmSync(scratch, { recursive: true, force: true }));

function ours(...args: string[]) {
  return spawnSync(join(bin, 'qemu-img'), args, { cwd: scratch, encoding: 'utf8' });
}

describe('the command as a process', () => {
  it('speaks by the name by which it was called', () => {
    expect(ours('info', 'nope').stderr).toMatch(/^qemu-img: Could not open 'nope'/);
    const own = spawnSync(process.execPath, [COMMAND, 'info'], { encoding: 'utf8' });
    const told = spawnSync(process.execPath, [COMMAND, 'info', 'nope'], { encoding: 'utf8' });
    // What to try is no part of the other language.
    expect(told.stderr).toBe(
      "disk-img: Could not open 'nope': Could not open 'nope': No such file or directory\n" +
        'disk-img: Check the path.\n',
    );
    expect(ours('info', 'nope').stderr.match(/\n/g)).toHaveLength(1);
    expect(own.stderr).toMatch(/^disk-img: .*\nTry 'disk-img --help'/);
    expect([own.status, ours('check', '-f', 'raw', COMMAND).status]).toEqual([1, 63]);
  });

  it.each([
    ['disk-img', ['info', 'image']],
    ['disk-io', ['-r', '-f', 'raw', '-c', 'length', 'image']],
    ['disk-cat', ['image', '/nothing']],
  ])('ends with its work, whatever Node still waits for: %s', (name, args) => {
    writeFileSync(join(scratch, 'image'), new Uint8Array(MIB));
    writeFileSync(join(scratch, 'waits.cjs'), 'setInterval(() => {}, 1000);');
    const command = join(import.meta.dirname, `../../${name}/bin/${name}.js`);
    const run = (env: NodeJS.ProcessEnv) => {
      const { status, stdout, stderr } = spawnSync(process.execPath, [command, ...args], {
        cwd: scratch,
        encoding: 'utf8',
        env: { ...process.env, ...env },
        timeout: 60_000,
      });
      return { status, stdout, stderr };
    };
    const ended = run({ NODE_OPTIONS: '--require=./waits.cjs' });
    expect(ended).toEqual(run({}));
    expect([ended.status, ended.stdout + ended.stderr]).toEqual([
      name === 'disk-cat' ? 1 : 0,
      expect.stringMatching(/1 MiB|image/),
    ]);
    rmSync(join(scratch, 'image'));
  });

  it('says how to give a key where one is needed to read', () => {
    const disk = join(scratch, 'locked');
    const own = (...args: string[]) => {
      const { status, stderr } = spawnSync(process.execPath, [COMMAND, ...args], {
        encoding: 'utf8',
      });
      return { status, stderr };
    };
    const key = ['--object', 'secret,id=key,data=pass'];
    own('create', '-q', ...key, '-f', 'luks', '-o', 'key-secret=key,iter-time=10', disk, '1M');
    expect(own('convert', '-f', 'luks', '-O', 'raw', disk, `${disk}.raw`)).toEqual({
      status: 1,
      stderr: expect.stringMatching(
        /: Parameter 'key-secret' is required for cipher\ndisk-img: Give the passphrase with /,
      ),
    });
    rmSync(disk);
  });

  it("takes the library's name of a format for QEMU's", () => {
    const run = (...args: string[]) =>
      spawnSync(process.execPath, [COMMAND, ...args], { cwd: scratch, encoding: 'utf8' }).stdout;
    expect(run('create', '-f', 'vhd', 'v', '1M')).toBe("Formatting 'v', fmt=vpc size=1048576\n");
    expect(run('convert', '-f', 'vhd', '-O', 'vhd', 'v', 'w')).toBe('');
    expect(run('compare', '-f', 'vhd', '-F', 'vpc', 'v', 'w')).toBe('Images are identical.\n');
    rmSync(join(scratch, 'v'));
    rmSync(join(scratch, 'w'));
  });

  it('does not wait for the end of a pause that a rate makes', () => {
    writeFileSync(join(scratch, 'noise'), randomBytes(16 * MIB));
    const script = `timeout -s INT 2 ${join(bin, 'qemu-img')} convert -f raw -r 1k -O raw noise slow`;
    const { signal, stdout } = spawnSync('bash', ['-c', `${script}; echo $?`], {
      cwd: scratch,
      encoding: 'utf8',
      timeout: 60_000,
    });
    expect([signal, stdout]).toEqual([null, '124\n']);
    rmSync(join(scratch, 'noise'));
  });

  it('refuses a name that Node cannot pass on, and takes any other', () => {
    const into = { cwd: scratch, encoding: 'utf8', shell: '/bin/bash' } as const;
    const create = `${join(bin, 'qemu-img')} create -q -f raw`;
    const bytes = spawnSync(`${create} $'\\xff.img' 1M`, into);
    expect([bytes.status, bytes.stderr]).toEqual([
      1,
      'qemu-img: The argument "\\udcff.img" is not UTF-8; rename the file, or link to it\n',
    ]);
    // The character that Node puts in the place of such bytes is a character like others.
    expect(spawnSync(`${create} '\ufffd.img' 1M`, into).status).toBe(0);
    expect(readdirSync(scratch)).toContain('\ufffd.img');
    rmSync(join(scratch, '\ufffd.img'));
  });

  it('waits for no pipe that is named as an image', () => {
    execFileSync('mkfifo', ['pipe'], { cwd: scratch });
    const how = { cwd: scratch, encoding: 'utf8', timeout: 30_000 } as const;
    for (const args of [['info'], ['resize'], ['snapshot', '-c', 'a']]) {
      const rest = args[0] === 'resize' ? ['pipe', '1M'] : ['pipe'];
      const { status, stderr } = spawnSync(join(bin, 'qemu-img'), [...args, ...rest], how);
      expect([status, stderr.includes('regular file')]).toEqual([1, true]);
    }
    rmSync(join(scratch, 'pipe'));
  });

  it('says in a line what it cannot print and what it cannot read', () => {
    ours('create', '-q', '-f', 'qcow2', 'damaged', '1M');
    const into = { cwd: scratch, encoding: 'utf8', shell: '/bin/bash' } as const;
    const full = spawnSync(`${join(bin, 'qemu-img')} info damaged > /dev/full`, into);
    const help = spawnSync(`${join(bin, 'qemu-img')} info --help > /dev/full`, into);
    expect([help.status, help.stderr]).toEqual([full.status, full.stderr]);
    expect([full.status, full.stderr]).toEqual([
      1,
      'qemu-img: Cannot write standard output: no space is left\n',
    ]);
    // The first L1 entry is no multiple of a cluster.
    const bytes = readFileSync(join(scratch, 'damaged'));
    bytes.writeBigUInt64BE(0x8000_0000_0000_1200n, Number(bytes.readBigUInt64BE(40)));
    writeFileSync(join(scratch, 'damaged'), bytes);
    for (const command of ['digest', 'map']) {
      const { status, stderr } = ours(command, 'damaged');
      expect(status).toBe(1);
      // As QEMU's driver does, what is damaged is said before what that means to the command.
      const [line] = /^qcow2: Image is corrupt: [^\n]+\n/.exec(stderr) ?? [''];
      expect(line).not.toBe('');
      expect(stderr.slice(line.length)).toMatch(/^qemu-img: [^\n]+\n$/);
    }
    rmSync(join(scratch, 'damaged'));
  });
});

/** What makes an image in `out`, slowly enough to be called off. */
const MAKERS: readonly (readonly [string, NodeJS.Signals])[] = [
  ['convert -r 1M -f raw -O raw source out', 'SIGTERM'],
  ['convert -c -W -f raw -O qcow2 source out', 'SIGINT'],
  ['convert -f raw -O vmdk -o subformat=streamOptimized source out', 'SIGTERM'],
  ['dd -f raw -O qcow2 bs=512 if=source of=out', 'SIGINT'],
  ['create -f qcow2 -o preallocation=full out 2G', 'SIGTERM'],
  ['create -f raw -o preallocation=full out 2G', 'SIGINT'],
];

describe('an image that is not completed leaves nothing behind', () => {
  it.each(MAKERS)('%s, by %s', async (line, signal) => {
    const cwd = mkdtempSync(join(scratch, 'interrupted-'));
    writeFileSync(join(cwd, 'source'), randomBytes(32 * MIB));
    const child = spawn(join(bin, 'qemu-img'), line.split(' '), { cwd, stdio: 'ignore' });
    const ended = new Promise((resolve) => child.on('close', (_, by) => resolve(by)));
    const poll = setInterval(() => {
      if (readdirSync(cwd).length > 1) child.kill(signal);
    }, 5);
    expect(await ended).toBe(signal);
    clearInterval(poll);
    expect(readdirSync(cwd)).toEqual(['source']);
  });

  const isRoot = process.getuid?.() === 0;
  it.skipIf(!isRoot)('nor does one on a full disk, which takes a line (needs root)', () => {
    const cwd = mkdtempSync(join(scratch, 'full-'));
    const full = join(cwd, 'full');
    mkdirSync(full);
    writeFileSync(join(cwd, 'source'), randomBytes(24 * MIB));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', full]);
    try {
      for (const line of [
        'convert -f raw -O raw source full/out',
        'convert -f raw -O qcow2 source full/out',
        'convert -c -f raw -O qcow2 source full/out',
        'convert -f raw -O vhdx source full/out',
        'dd -f raw -O qcow2 bs=1M if=source of=full/out',
        'create -q -f qcow2 -o preallocation=full full/out 24M',
        'create -q -f raw -o preallocation=falloc full/out 24M',
      ]) {
        const args = line.split(' ');
        const { status, stdout, stderr } = spawnSync(join(bin, 'qemu-img'), args, {
          cwd,
          encoding: 'utf8',
        });
        const said = stderr.replace(/^qemu-img: .*No space left on device\n$/, 'one clear line');
        expect([line, status, stdout, said]).toEqual([line, 1, '', 'one clear line']);
        expect(readdirSync(full)).toEqual([]);
      }
    } finally {
      execFileSync('umount', [full]);
    }
  });
});

/** Kinds of scripts that people have; the genuine tool and ours have the same outcome. */
const SCRIPTS: readonly (readonly [string, string])[] = [
  [
    'an overlay for each run of a test',
    `qemu-img create -q -f qcow2 base.qcow2 8M
     qemu-img convert -O raw base.qcow2 seed.raw
     for run in 1 2 3; do
       qemu-img create -q -f qcow2 -b base.qcow2 -F qcow2 run$run.qcow2
       qemu-img info --output=json run$run.qcow2 | grep -o '"backing-filename": "[^"]*"'
     done
     qemu-img compare base.qcow2 run2.qcow2 && rm run1.qcow2 run3.qcow2`,
  ],
  [
    'a rotation of snapshots that keeps two',
    `qemu-img create -q -f qcow2 vm.qcow2 4M
     for day in mon tue wed thu; do
       qemu-img snapshot -c $day vm.qcow2
       while [ $(qemu-img snapshot -l vm.qcow2 | grep -c '^[0-9]') -gt 2 ]; do
         qemu-img snapshot -d "$(qemu-img snapshot -l vm.qcow2 | awk 'NR==3 {print $2}')" vm.qcow2
       done
     done
     qemu-img snapshot -l vm.qcow2 | awk '/^[0-9]/ {print $1, $2}'; qemu-img check -q vm.qcow2`,
  ],
  [
    'a disk that grows until it is large enough',
    `qemu-img create -q -f qcow2 d.qcow2 1M
     while [ $(qemu-img info d.qcow2 | sed -n 's/.*(\\([0-9]*\\) bytes).*/\\1/p') -lt 5000000 ]; do
       qemu-img resize d.qcow2 +1M
     done
     qemu-img resize d.qcow2 1M || qemu-img resize --shrink d.qcow2 4M
     qemu-img info d.qcow2 | grep virtual`,
  ],
  [
    'a cloud image that is built and shipped',
    `head -c 3000000 /dev/zero | tr '\\0' 'x' > root.raw
     qemu-img resize -q -f raw root.raw 8M
     qemu-img convert -f raw -O qcow2 -c -o compat=0.10 root.raw image.qcow2
     qemu-img convert -O vmdk -o subformat=streamOptimized image.qcow2 image.vmdk
     qemu-img convert -O vhdx image.qcow2 image.vhdx
     for i in image.*; do qemu-img compare -f raw root.raw $i; done; rm image.*`,
  ],
  [
    'a backup of what a bitmap says has changed',
    `qemu-img create -q -f qcow2 vm.qcow2 4M
     qemu-img bitmap --add -g 64k vm.qcow2 since
     qemu-img bitmap --disable vm.qcow2 since
     qemu-img info --output=json vm.qcow2 | grep -c '"name": "since"'
     qemu-img convert --bitmaps -O qcow2 vm.qcow2 backup.qcow2
     qemu-img bitmap --merge since -b vm.qcow2 -F qcow2 backup.qcow2 since
     qemu-img bitmap --remove vm.qcow2 since
     qemu-img measure -O qcow2 backup.qcow2; qemu-img info backup.qcow2 | grep -A3 bitmaps`,
  ],
  [
    'an overlay that is merged down and thrown away',
    `qemu-img create -q -f qcow2 base.qcow2 4M
     qemu-img create -q -f qcow2 -b base.qcow2 -F qcow2 work.qcow2
     head -c 65536 /dev/zero | tr '\\0' 'w' > block
     qemu-img dd -f raw -O raw bs=64k if=block of=copy && cmp block copy && echo same
     if qemu-img commit work.qcow2; then rm work.qcow2; fi
     qemu-img check base.qcow2 && qemu-img map --output=json base.qcow2; rm block copy`,
  ],
  [
    'a chain that is moved to another base',
    `qemu-img create -q -f qcow2 old.qcow2 4M; qemu-img convert -O qcow2 old.qcow2 new.qcow2
     qemu-img create -q -f qcow2 -b old.qcow2 -F qcow2 vm.qcow2
     qemu-img rebase -b new.qcow2 -F qcow2 vm.qcow2 && rm old.qcow2
     qemu-img info --backing-chain vm.qcow2 | grep -E '^(image|backing)'
     qemu-img rebase -u -b gone.qcow2 -F qcow2 vm.qcow2; qemu-img map vm.qcow2 || echo broken
     qemu-img rebase -u -b '' vm.qcow2 && qemu-img info vm.qcow2 | grep -c backing`,
  ],
  [
    'an image that is looked after every night',
    `qemu-img create -q -f qcow2 -o lazy_refcounts=on vm.qcow2 4M
     printf '\\001' | dd of=vm.qcow2 bs=1 seek=79 conv=notrunc status=none
     printf '\\000\\001' | dd of=vm.qcow2 bs=1 seek=131080 conv=notrunc status=none
     qemu-img check vm.qcow2; case $? in
       0) echo fine;; 3) qemu-img check -r leaks vm.qcow2 && echo mended;; *) echo damaged;;
     esac; qemu-img check -q vm.qcow2 && echo clean`,
  ],
  [
    'a disk of an appliance that is unpacked',
    `qemu-img create -q -f raw disk.raw 3M
     qemu-img convert -f raw -O vmdk -o subformat=streamOptimized disk.raw disk1.vmdk
     echo '<Envelope/>' > vm.ovf; tar cf vm.ova vm.ovf disk1.vmdk; rm disk1.vmdk vm.ovf
     tar xf vm.ova; qemu-img info disk1.vmdk | grep -E 'format|virtual|create type'
     qemu-img convert -O qcow2 disk1.vmdk vm.qcow2 && qemu-img compare disk.raw vm.qcow2
     rm -f disk1.vmdk vm.ovf vm.ova`,
  ],
  [
    'a size that is asked for before there is a place for it',
    `qemu-img create -q -f qcow2 a.qcow2 8M
     need=$(qemu-img measure --output=json -O raw a.qcow2 | sed -n 's/.*"required": \\([0-9]*\\).*/\\1/p')
     echo need $need; truncate -s $need out.raw
     qemu-img convert -n -O raw a.qcow2 out.raw && qemu-img compare a.qcow2 out.raw
     qemu-img convert -O qcow2 -o preallocation=metadata a.qcow2 pre.qcow2
     qemu-img info pre.qcow2 | grep cluster_size; qemu-img create -f qcow2 x.qcow2 nonsense; echo $?`,
  ],
  [
    'templates for several hypervisors',
    `qemu-img create -q -f raw root.raw 5M
     for f in vpc vhdx vdi vmdk parallels qed; do
       qemu-img convert -f raw -O $f root.raw t.$f || echo failed $f
       qemu-img info -f $f t.$f | grep -E 'format|virtual'; qemu-img check -q -f $f t.$f; echo $f $?
     done; qemu-img convert -O vpc -o subformat=fixed,force_size=on root.raw azure.vhd
     qemu-img info -f vpc azure.vhd | grep virtual; rm t.*`,
  ],
];

describe('scripts of the kinds that people have', () => {
  it.each(SCRIPTS)('%s', (title, script) => {
    const [theirs, own] = ['genuine', 'ours'].map((side) => {
      const cwd = join(scratch, `${side}-${title.replaceAll(' ', '-')}`);
      mkdirSync(cwd);
      const PATH = side === 'ours' ? `${bin}:${process.env['PATH']}` : process.env['PATH'];
      const env = { ...process.env, PATH };
      const { stdout, stderr, status } = spawnSync('bash', ['-c', script], {
        cwd,
        env,
        encoding: 'utf8',
      });
      return { stdout, stderr, status, files: readdirSync(cwd).toSorted() };
    });
    expect(own).toEqual(theirs);
    expect(own!.stdout).not.toBe('');
  });
});

it('tells of its progress in lines of JSON, and of each command what it takes', () => {
  const run = (...args: string[]) =>
    spawnSync(process.execPath, [COMMAND, ...args], { cwd: scratch, encoding: 'utf8' });
  run('create', '-q', 'p.raw', '4M');
  const { stderr, status } = run(
    'convert',
    '--json-lines',
    '-O',
    'qcow2',
    '-f',
    'raw',
    'p.raw',
    'p',
  );
  const lines = stderr.trimEnd().split('\n');
  expect(status).toBe(0);
  for (const line of lines)
    expect(Object.keys(JSON.parse(line))).toEqual(['doneBytes', 'totalBytes']);
  const last = JSON.parse(lines.at(-1)!) as { doneBytes: number; totalBytes: number };
  expect(last.doneBytes).toBe(last.totalBytes);
  expect(run('rebase', '--help').stdout).toMatch(/^usage: disk-img rebase /);
  const compared = run('compare', '--output=json', '-F', 'raw', 'p', 'p.raw').stdout;
  expect(JSON.parse(compared)).toEqual({ identical: true, 'sizes-differ': false });
  run('snapshot', '-c', 'one', 'p');
  const listed = run('snapshot', '-l', '--output=json', 'p').stdout;
  expect(JSON.parse(listed)).toMatchObject([{ id: '1', name: 'one' }]);
  expect(ours('snapshot', '-l', '--output=json', 'p').status).toBe(1);
  expect(ours('convert', '--json-lines', 'p.raw', 'p').stderr).toContain("'--json-lines'");
});

it('does its work whether or not anybody listens to what it says beside it', () => {
  const raw = randomBytes(MIB);
  writeFileSync(join(scratch, 'unheard.raw'), raw);
  const line = `'${process.execPath}' '${COMMAND}' convert --json-lines -f raw unheard.raw made.raw`;
  const { status } = spawnSync(`${line} 2> >(exit 0)`, { cwd: scratch, shell: '/bin/bash' });
  expect(status).toBe(0);
  expect(readFileSync(join(scratch, 'made.raw')).equals(raw)).toBe(true);
});

it('has a digest that does not depend on the format', () => {
  ours('create', '-q', '-f', 'qcow2', 'a.qcow2', '4M');
  ours('convert', '-O', 'vdi', 'a.qcow2', 'a.vdi');
  const [one, other] = ['a.qcow2', 'a.vdi'].map((name) => ours('digest', name).stdout);
  expect(one!.split(' ')[0]).toMatch(/^diskfile-v1:[0-9a-f]{64}$/);
  expect(one!.split(' ')[0]).toBe(other!.split(' ')[0]);
  expect(ours('fork', 'a.qcow2', 'base.qcow2', 'clone.qcow2').stdout).toBe('Image forked.\n');
  expect(ours('flatten', 'clone.qcow2').stdout).toBe('Image flattened.\n');
  expect(ours('info', 'clone.qcow2').stdout).not.toContain('backing');
  expect(ours('info', 'a.qcow2').stdout).toContain('backing file: base.qcow2');
  expect(readFileSync(join(scratch, 'base.qcow2')).length).toBeGreaterThan(0);
});

it('tells in which ranges and in which files two disks differ', () => {
  const run = (...args: string[]) =>
    spawnSync(process.execPath, [COMMAND, ...args], { cwd: scratch, encoding: 'utf8' });
  ours('create', '-q', '-f', 'qcow2', 'one.qcow2', '4M');
  ours('create', '-q', '-f', 'vdi', 'other.vdi', '6M');
  execFileSync('qemu-io', ['-c', 'write -P 1 64k 10k', 'one.qcow2'], { cwd: scratch });
  execFileSync('qemu-io', ['-c', 'write -P 1 64k 8k', '-c', 'write -P 3 5M 1k', 'other.vdi'], {
    cwd: scratch,
  });
  const ranges = run('diff', 'one.qcow2', 'other.vdi');
  expect(ranges.stdout).toBe(
    'Offset          Length\n73728           2048\n5242880         1024\n',
  );
  const json = run('diff', '--output=json', 'one.qcow2', 'other.vdi').stdout;
  expect(JSON.parse(json)).toEqual([
    { start: 73_728, length: 2048 },
    { start: 5_242_880, length: 1024 },
  ]);
  const same = run('diff', 'one.qcow2', 'one.qcow2');
  expect([ranges.status, same.status, same.stdout]).toEqual([1, 0, '']);
  expect(run('diff', 'one.qcow2', 'nope').status).toBe(2);
  expect(run('diff', '--files', 'one.qcow2', 'other.vdi').status).toBe(2);

  const tree = join(scratch, 'tree');
  mkdirSync(tree);
  for (const name of ['same', 'gone', 'longer', 'other', 'mode']) {
    writeFileSync(join(tree, name), name);
  }
  symlinkSync('same', join(tree, 'link'));
  const pack = (image: string) =>
    execFileSync('mke2fs', ['-q', '-t', 'ext4', '-d', tree, image, '4M'], { cwd: scratch });
  pack('first.raw');
  rmSync(join(tree, 'gone'));
  rmSync(join(tree, 'link'));
  writeFileSync(join(tree, 'longer'), 'longer than it was');
  writeFileSync(join(tree, 'other'), 'rehto');
  writeFileSync(join(tree, 'new'), '');
  chmodSync(join(tree, 'mode'), 0o600);
  symlinkSync('new', join(tree, 'link'));
  pack('second.raw');
  const files = run('diff', '--files', '-f', 'raw', '-F', 'raw', 'first.raw', 'second.raw');
  expect(files.stdout.trimEnd().split('\n')).toEqual([
    '- /gone',
    '! /link (link)',
    '! /longer (size)',
    '! /mode (permissions)',
    '! /other (content)',
    '+ /new',
  ]);
  expect(files.status).toBe(1);
});
