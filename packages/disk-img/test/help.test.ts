/** The help tells of everything that its syntax names. */
import { describe, expect, it } from 'vitest';
import { COMMANDS } from '../src/run-program.ts';
import { helpText } from '../src/help/help.ts';
import { OWN_WORDS, optionsIn, optionWords } from '../src/help/option-words.ts';
import { SYNTAX } from '../src/help/syntax.ts';
import type { Program } from '../src/program.ts';

const program = (name: string): Program =>
  ({ name, isLookAlike: name === 'qemu-img' }) as unknown as Program;

it('is there for every command', () => {
  expect(Object.keys(SYNTAX).toSorted()).toEqual(Object.keys(COMMANDS).toSorted());
});

describe.each(Object.entries(SYNTAX))('%s', (command, { syntax }) => {
  it('says what each option does', () => {
    const described = optionWords(command, syntax).map(({ option }) => option);
    expect(described).toEqual(optionsIn(syntax));
    expect(described).toEqual(expect.arrayContaining(Object.keys(OWN_WORDS[command] ?? {})));
    for (const option of described) {
      expect(helpText(program('disk-img'), command)).toContain(`\n  ${option} `);
    }
  });

  it('keeps lines of the list within a terminal', () => {
    const [, , ...lines] = helpText(program('disk-img'), command).split('\n');
    expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(96);
  });
});

it('names the formats in the line that scripts look for', () => {
  const [line] = /^Supported formats:.*$/m.exec(helpText(program('qemu-img')))!;
  expect(line.split(' ')).toEqual(expect.arrayContaining(['qcow2', 'raw', 'vpc', 'blkdebug']));
});

it('has the options of QEMU alone when it is called by its name', () => {
  expect(helpText(program('qemu-img'))).toContain(
    '\n  commit [--object objectdef] [--image-opts] [-q] [-f fmt] [-t cache] [-b base] [-r rate_limit] [-d] [-p] filename\n',
  );
  expect(helpText(program('disk-img'))).toContain('--json-lines');
});
