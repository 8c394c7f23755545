/**
 * The README's table of formats says what the drivers say of themselves. After a driver changed,
 * `npm run formats-table` writes the table anew; the last column is kept, it is written by hand.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { FormatDriver } from '@diskfile/core';
import { ALL_FORMATS } from 'diskfile';
import { expect, test } from 'vitest';

const README = fileURLToPath(new URL('../../../README.md', import.meta.url));
const COLUMNS = ['read', 'write', 'create', 'differencing', 'check', 'compressed', 'kinds'];
const HEAD = [
  ['format', ...COLUMNS],
  ['---', ...COLUMNS.map(() => '---')],
].map(row);
const NO_ROW = 'to be described';

function row(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}

function cellsOf(line: string): string[] {
  return line
    .slice(1, -1)
    .split('|')
    .map((cell) => cell.trim());
}

function nameOf({ id, aliases }: FormatDriver): string {
  const others = aliases.map((alias) => `\`${alias}\``).join(', ');
  return `\`${id}\`${others === '' ? '' : ` (${others})`}`;
}

function rowOf(driver: FormatDriver, kinds: ReadonlyMap<string, string>): string {
  const { id, abilities, create, check } = driver;
  const yes = (is: boolean): string => (is ? 'yes' : 'no');
  const far = { none: 'no', read: 'read', write: 'yes' } as const;
  return row([
    nameOf(driver),
    'yes',
    yes(abilities.write),
    yes(create !== undefined),
    far[abilities.backing],
    yes(check !== undefined),
    far[abilities.compressed],
    kinds.get(id) ?? NO_ROW,
  ]);
}

/** The README with the table as it has to be. */
function renewed(readme: string): string {
  const lines = readme.split('\n');
  const start = lines.findIndex((line) => line.startsWith('| format | read '));
  const length = lines.slice(start).findIndex((line) => !line.startsWith('|'));
  const kinds = new Map<string, string>();
  for (const cells of lines.slice(start + 2, start + length).map(cellsOf)) {
    kinds.set(cells[0]!.split('`')[1]!, cells.at(-1)!);
  }
  const rows = ALL_FORMATS.map((driver) => rowOf(driver, kinds));
  return [...lines.slice(0, start), ...HEAD, ...rows, ...lines.slice(start + length)].join('\n');
}

test('the table of formats in the README is true', async () => {
  await expect(renewed(readFileSync(README, 'utf8'))).toMatchFileSnapshot(README);
});

test('the README describes each format', () => {
  const readme = readFileSync(README, 'utf8');
  expect(readme).not.toContain(NO_ROW);
  for (const { id } of ALL_FORMATS) expect(readme).toContain(`\n| \`${id}\``);
});
