/** Rules of `blkdebug`, from options and from its configuration files. */
import fs from 'node:fs';
import { DiskError } from '@diskfile/bytes';
import { STORAGE_EVENTS, type StorageEvent } from '@diskfile/core';
import { BlockOptions, invalid } from '../options/block-options.ts';
import { IO_TYPES, type IoType, type Rule } from './rule.ts';

const SECTOR_BYTES = 512;
const EIO = 5;
const MAX_CONFIG_BYTES = 1024 * 1024;
const SECTIONS = ['inject-error', 'set-state'] as const;
/** What fails unless a rule says otherwise. */
const DEFAULT_IO_TYPES: readonly IoType[] = IO_TYPES.filter((type) => type !== 'block-status');

type Section = (typeof SECTIONS)[number];

/** Rules in the order in which they are tried: those given last come first. */
export function takeRules(options: BlockOptions): Rule[] {
  const rules: Rule[] = [];
  const config = options.takeText('config');
  if (config !== undefined) {
    for (const { section, values } of readConfig(config)) rules.unshift(ruleOf(section, values));
  }
  for (const section of SECTIONS) {
    const groups = options.takeGroups(section);
    const single = options.takeBelow(`${section}.`);
    if (groups.length > 0 && !single.isEmpty) {
      throw invalid(`Unused option '${single.leftOver}' for [${section}]`);
    }
    if (groups.length === 0 && !single.isEmpty) {
      if (/^\d+\./.test(single.leftOver!)) {
        throw invalid(`Unused option '${single.leftOver}' for [${section}]`);
      }
      groups.push(single);
    }
    for (const values of groups) rules.unshift(ruleOf(section, values));
  }
  return rules;
}

function ruleOf(section: Section, values: BlockOptions): Rule {
  const event = values.takeText('event');
  const state = values.takeNumber('state') ?? 0;
  const rule =
    section === 'inject-error'
      ? { action: 'fail' as const, ...takeFailure(values) }
      : { action: 'go' as const, newState: values.takeNumber('new_state') ?? 0 };
  const { leftOver } = values;
  if (leftOver !== undefined) {
    throw invalid(`[${section}] section doesn't support the option '${leftOver}'`);
  }
  if (event === undefined) throw invalid('Missing event name for rule');
  if (!isEvent(event)) throw invalid(`invalid parameter value: ${event}`);
  return { event, state, ...rule };
}

function takeFailure(values: BlockOptions) {
  const errno = values.takeNumber('errno') ?? EIO;
  const sector = values.takeNumber('sector') ?? -1;
  const once = values.takeFlag('once') ?? false;
  // Whether it fails before or after other work makes no difference to whoever waits for it.
  values.takeFlag('immediately');
  const ioType = values.takeChoice('iotype', IO_TYPES);
  return {
    errno,
    once,
    offset: sector === -1 ? undefined : sector * SECTOR_BYTES,
    ioTypes: ioType === undefined ? DEFAULT_IO_TYPES : [ioType],
  };
}

export function isEvent(name: string): name is StorageEvent {
  return (STORAGE_EVENTS as readonly string[]).includes(name);
}

interface ConfigGroup {
  readonly section: Section;
  readonly values: BlockOptions;
}

/** Groups of `key = "value"` lines, each behind a `[section]` line. */
function readConfig(path: string): ConfigGroup[] {
  const groups: ConfigGroup[] = [];
  for (const line of readText(path).split('\n')) {
    if (/^\s*(#|$)/.test(line)) continue;
    const [, name] = /^\[([^\]"]*?)(?:\s+"[^"]*")?\]/.exec(line) ?? [];
    if (name !== undefined) {
      const section = SECTIONS.find((each) => each === name);
      if (section === undefined) throw invalid(`There is no option group '${name}'`);
      groups.push({ section, values: new BlockOptions() });
      continue;
    }
    const values = groups.at(-1)?.values;
    if (values === undefined) throw invalid('no group defined');
    const [, key, value] = /^\s*(\S+)(?:\s*=\s*"([^"]*)")?/.exec(line)!;
    if (!/^\s*\S+\s*=\s/.test(line) && value === undefined) {
      throw invalid(`Invalid parameter '${key}'`);
    }
    values.set(key!, value ?? '');
  }
  for (const { section, values } of groups) refuseUnknown(section, values);
  return groups;
}

const KEYS: Readonly<Record<Section, readonly string[]>> = {
  'inject-error': ['event', 'state', 'iotype', 'errno', 'sector', 'once', 'immediately'],
  'set-state': ['event', 'state', 'new_state'],
};

function refuseUnknown(section: Section, values: BlockOptions): void {
  const rest = values.copy();
  for (const key of KEYS[section]) rest.take(key);
  if (rest.leftOver !== undefined) throw invalid(`Invalid parameter '${rest.leftOver}'`);
}

/** What is read may have no length of its own, as a pipe has none, or no end. */
function readText(path: string): string {
  const bytes = new Uint8Array(MAX_CONFIG_BYTES + 1);
  let lengthBytes = 0;
  try {
    const fd = fs.openSync(path, 'r');
    try {
      for (let got = -1; got !== 0 && lengthBytes < bytes.length; lengthBytes += got) {
        got = fs.readSync(fd, bytes, lengthBytes, bytes.length - lengthBytes, null);
      }
    } finally {
      fs.closeSync(fd);
    }
  } catch (cause) {
    const missing = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT';
    const reason = missing ? 'No such file or directory' : String(cause);
    throw new DiskError(
      missing ? 'not-found' : 'io',
      'graph.blkdebug-config',
      `Could not read blkdebug config file: ${reason}`,
      { path, cause },
    );
  }
  if (lengthBytes > MAX_CONFIG_BYTES) throw invalid('The blkdebug config file is too large');
  return new TextDecoder().decode(bytes.subarray(0, lengthBytes));
}
