/** Genuine partitioning tools, for the comparison with them. */
import { execFileSync, spawnSync } from 'node:child_process';

/** Those of the named programs that are not installed. */
export function missingTools(names: readonly string[]): string[] {
  return names.filter((name) => {
    const { error } = spawnSync(name, ['--version'], { env: toolEnvironment });
    return error !== undefined;
  });
}

const toolEnvironment = {
  ...process.env,
  LC_ALL: 'C.UTF-8',
  PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`,
};

/** Runs a tool and returns what it prints. @throws when it fails */
export function run(tool: string, args: readonly string[], input = ''): string {
  return execFileSync(tool, args, {
    input,
    env: toolEnvironment,
    encoding: 'utf8',
    stdio: ['pipe', 'pipe', 'pipe'],
  });
}

/** One partition in the words that sfdisk and this package have in common. */
export interface ListedPartition {
  readonly number: number;
  readonly start: number;
  readonly size: number;
  readonly type: string;
  readonly uuid: string | undefined;
  readonly name: string;
  readonly attributes: readonly string[];
  readonly bootable: boolean;
}

export interface ListedTable {
  readonly scheme: string;
  readonly id: string;
  readonly partitions: readonly ListedPartition[];
}

interface SfdiskPartition {
  readonly node: string;
  readonly start: number;
  readonly size: number;
  readonly type: string;
  readonly uuid?: string;
  readonly name?: string;
  readonly attrs?: string;
  readonly bootable?: boolean;
}

interface SfdiskTable {
  readonly label: string;
  readonly id: string;
  readonly partitions?: readonly SfdiskPartition[];
}

/** What `sfdisk --json` lists. */
export function sfdiskTable(image: string): ListedTable {
  const json = JSON.parse(run('sfdisk', ['--json', image])) as { partitiontable: SfdiskTable };
  const { label, id, partitions = [] } = json.partitiontable;
  return {
    scheme: label === 'dos' ? 'mbr' : label,
    id: id.toLowerCase().replace('0x', ''),
    partitions: partitions.map((partition) => ({
      number: Number(partition.node.slice(image.length)),
      start: partition.start,
      size: partition.size,
      type: partition.type.toLowerCase(),
      uuid: partition.uuid?.toLowerCase(),
      name: partition.name ?? '',
      attributes: splitAttributes(partition.attrs ?? ''),
      bootable: partition.bootable ?? false,
    })),
  };
}

/** `RequiredPartition GUID:60,63` names three. */
function splitAttributes(text: string): string[] {
  return text
    .split(' ')
    .filter((word) => word !== '')
    .flatMap((word) =>
      word.startsWith('GUID:')
        ? word
            .slice('GUID:'.length)
            .split(',')
            .map((bit) => `GUID:${bit}`)
        : [word],
    );
}

/** Number, first 512-byte unit, length in those, and PARTUUID, as `partx` sees a disk. */
export type PartxLine = [number: number, start: number, size: number, uuid: string];

export function partxLines(image: string, sectorBytes: number): PartxLine[] {
  const options = ['--pairs', '--output', 'NR,START,SECTORS,UUID'];
  const text = run('partx', [...options, '--sector-size', String(sectorBytes), image]);
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [number, start, size, uuid] = [...line.matchAll(/"([^"]*)"/g)].map((match) => match[1]);
      return [Number(number), Number(start), Number(size), uuid ?? ''];
    });
}
