/**
 * VHD images by an independent script, differencing ones above all, which QEMU cannot make and
 * reads without their parents. 7-Zip knows them whole.
 */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync } from 'node:fs';
import { basename } from 'node:path';
import { pathToFileURL } from 'node:url';
import { haveTools } from '@diskfile/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hostGate, openDiskFile } from '../../src/index.ts';
import {
  changedContent,
  GeneratedDisks,
  type Job,
  patternedContent,
} from '../support/generated-disks.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const SECTOR = 512;

describe.skipIf(!haveTools('python3'))('VHD images', () => {
  const disks = new GeneratedDisks('vhd');
  const base = patternedContent(1200 * KIB + 3 * SECTOR, 3);
  const middle = changedContent(base, 1);
  const top = changedContent(middle, 2);

  const OVER_BASE = ['--over', 'base.vhd', '--base', 'base.raw'];
  const overBase = (name: string, options: readonly string[]): Job => {
    return ['differencing', name, 'middle.raw', [...OVER_BASE, ...options]];
  };
  const makeOver = (name: string, options: readonly string[]) => {
    disks.makeAll([overBase(name, options)]);
  };

  beforeAll(() => {
    for (const [name, content] of Object.entries({ base, middle, top })) {
      disks.put(`${name}.raw`, content);
    }
    disks.make('dynamic', 'base.vhd', 'base.raw', '--block 65536');
  });
  afterAll(() => disks.remove());

  it.each([
    ['fixed', ''],
    ['dynamic', ''],
    ['dynamic', '--block 4096 --shuffle'],
    ['dynamic', '--block 524288 --scatter'],
    ['dynamic', '--block 65536 --scatter --table 1000'],
    ['dynamic', `--block ${16 * MIB}`],
  ])('%s %s', async (kind, options) => {
    disks.make(kind, 'alone.vhd', 'base.raw', options);
    await disks.expectDisk('alone.vhd', base);
    disks.img('compare', '-f', 'vpc', '-F', 'raw', 'alone.vhd', 'base.raw');
    // 7-Zip wants a table of no more blocks than the disk has.
    if (!options.includes('table')) disks.expect7zip('alone.vhd', base);
  });

  /** QEMU 7.2 goes by the geometry of disks of VirtualBox and Azure, which go by the size, as libvhdi does. */
  it.each([
    ['fixed', '--short-footer', 'QEMU'],
    ['dynamic', '--short-footer --block 65536', 'QEMU'],
    ['dynamic', '--creator vbox --block 65536', ''],
    ['fixed', '--creator vbox --geometry 9,4,17', ''],
    ['dynamic', '--creator vbox --geometry 0,0,0', ''],
    ['fixed', '--creator wa --geometry 9,4,17', ''],
    ['fixed', '--creator mine --geometry 0,0,0', ''],
    ['fixed', '--creator tap --geometry 9,4,17', 'QEMU'],
    ['dynamic', '--creator CTXS --geometry 0,0,0', 'QEMU'],
  ])('%s %s', async (kind, options, readers) => {
    disks.make(kind, 'size.vhd', 'base.raw', options);
    await disks.expectDisk('size.vhd', base);
    if (readers === 'QEMU') {
      disks.img('compare', '-f', 'vpc', '-F', 'raw', 'size.vhd', 'base.raw');
    }
    if (!haveTools('vhdiinfo') || options.includes('short')) return;
    const told = execFileSync('vhdiinfo', [disks.file('size.vhd')], { encoding: 'utf8' });
    expect(told).toContain(`(${base.length} bytes)`);
  });

  const RELATIVE = ['--locator', 'W2ru=.\\base.vhd', '--name', 'base.vhd'];
  it.each([
    '--block 4096',
    '--block 65536 --shuffle',
    '--block 131072 --scatter --space sectors',
    '--scatter',
    `--block ${16 * MIB}`,
  ])('differencing %s', async (options) => {
    makeOver('over.vhd', [...RELATIVE, ...options.split(' ')]);
    await disks.expectDisk('over.vhd', middle);
    disks.expect7zip('over.vhd', middle);
  });

  it.each([
    ['--block 4096', '--block 2097152'],
    ['--block 2097152 --scatter', '--block 8192 --shuffle'],
    ['--block 65536 --scatter', '--block 65536 --scatter'],
  ])('three in a chain: %s, %s', async (below, above) => {
    const over = '--over second.vhd --base middle.raw';
    const name = '--locator W2ru=.\\second.vhd --name second.vhd';
    disks.makeAll([
      overBase('second.vhd', [...RELATIVE, ...below.split(' ')]),
      ['differencing', 'third.vhd', 'top.raw', `${over} ${name} ${above}`],
    ]);
    await disks.expectDisk('third.vhd', top);
    disks.expect7zip('third.vhd', top);
  });

  it('is written wherever others have put its parts', async () => {
    makeOver('written.vhd', [...RELATIVE, '--block', '16384', '--scatter']);
    const content = Buffer.from(middle);
    {
      await using disk = await openDiskFile(disks.file('written.vhd'), { readOnly: false });
      for (const [at, length] of [
        [100, 5000],
        [400_000, 90_000],
        [content.length - 700, 700],
      ] as const) {
        top.copy(content, at, at, at + length);
        content.fill(9, at + 50, at + 60);
        await disk.write(content.subarray(at, at + length), at);
      }
    }
    await disks.expectDisk('written.vhd', content);
    disks.expect7zip('written.vhd', content);
  });

  const named = (name: string, locators: readonly string[], header = '') => {
    const options = locators.flatMap((each) => ['--locator', each]);
    return overBase(name, [...options, '--name', header]);
  };

  describe('names of the parent', () => {
    const known: [code: string, locators: readonly string[]][] = [
      ['Wi2r', ['Wi2r=.\\base.vhd']],
      ['Wi2k', ['Wi2k=C:\\machines\\base.vhd']],
      ['a drive', ['Wi2k=C:base.vhd']],
      ['W2ru', ['W2ru=base.vhd']],
      ['W2ku', ['W2ku=\\\\server\\share\\base.vhd']],
      ['MacX', ['MacX=file://localhost/Users/me/base.vhd']],
      ['the last', ['W2ku=D:\\a.vhd', 'Wi2k=D:\\b.vhd', 'Wi2r=..\\c.vhd', 'W2ru=base.vhd']],
      ['all', ['Mac =alias', 'MacX=file:///base.vhd', 'W2ru=.\\base.vhd', 'W2ku=C:\\base.vhd']],
      ['W2ru, in a directory', ['W2ru=.\\größer 100%\\base.vhd']],
      ['Wi2r, in a directory', ['Wi2r=größer 100%\\base.vhd']],
    ];
    const refused: [locator: string, code: string][] = [
      ['W2ru=..\\..\\etc\\passwd', 'denied'],
      ['W2ru=\\etc\\passwd', 'not-found'],
      ['W2ru=/etc/passwd', 'not-found'],
      ['Wi2r=json:{"driver":"raw","file":{"filename":"base.raw"}}', 'not-found'],
      ['Wi2r=nbd:localhost', 'not-found'],
      ['MacX=file:///etc/passwd', 'not-found'],
      ['MacX=no url', 'corrupt'],
      ['Mac =alias', 'corrupt'],
      ['W2ru=.\\refused-8.vhd', 'corrupt'],
    ];

    beforeAll(() => {
      mkdirSync(disks.file('größer 100%'));
      disks.makeAll([
        ...known.map(([, locators], index) => named(`known-${index}.vhd`, locators, 'gone.vhd')),
        ...refused.map(([locator], index) => named(`refused-${index}.vhd`, [locator])),
        named('mac.vhd', ['Mac =alias'], 'base.vhd'),
      ]);
      copyFileSync(disks.file('base.vhd'), disks.file('größer 100%/base.vhd'));
    });

    it.each(known.map(([code], index) => [code, index] as const))(
      'lead to it: %s',
      async (_, index) => {
        await disks.expectDisk(`known-${index}.vhd`, middle);
      },
    );

    it('lead to it by the header alone where a Mac has left an alias', async () => {
      await disks.expectDisk('mac.vhd', middle);
    });

    it.each(refused.map(([...row], index) => [...row, index] as const))(
      'are refused: %s',
      async (_, code, index) => {
        const opening = openDiskFile(disks.file(`refused-${index}.vhd`));
        await expect(opening).rejects.toMatchObject({ code });
      },
    );
  });

  it('leaves it to the gate where names lead out of the directory', async () => {
    const outside = new GeneratedDisks('vhd');
    const relative = `..\\${basename(outside.path)}\\outside.vhd`;
    const url = pathToFileURL(outside.file('outside.vhd')).href;
    disks.makeAll([
      named('by-path.vhd', [`W2ru=${relative}`]),
      named('by-url.vhd', [`MacX=${url}`]),
    ]);
    copyFileSync(disks.file('base.vhd'), outside.file('outside.vhd'));
    const gate = hostGate({ allow: [outside.path] });
    for (const [name, code] of Object.entries({ 'by-path': 'denied', 'by-url': 'not-found' })) {
      const opening = openDiskFile(disks.file(`${name}.vhd`));
      await expect(opening).rejects.toMatchObject({ code });
      await disks.expectDisk(`${name}.vhd`, middle, { gate });
    }
    outside.remove();
  });

  it('refuses another parent than its own', async () => {
    makeOver('stranger.vhd', [...RELATIVE, '--parent-id', 'ab'.repeat(16)]);
    await expect(openDiskFile(disks.file('stranger.vhd'))).rejects.toMatchObject({
      detail: 'vhd.parent-mismatch',
    });
  });

  // Programs note there when the parent's file was changed last, which copying changes.
  it('takes its parent whatever time it notes', async () => {
    makeOver('late.vhd', [...RELATIVE, '--stamp', '12345']);
    await disks.expectDisk('late.vhd', middle);
  });
});
