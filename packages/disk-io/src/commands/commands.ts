/** All commands. */
import type { Command } from '../shell/command.ts';
import {
  breakCommand,
  removeBreakCommand,
  resumeCommand,
  waitBreakCommand,
} from './breakpoint-commands.ts';
import {
  aioFlushCommand,
  allocCommand,
  flushCommand,
  infoCommand,
  lengthCommand,
  mapCommand,
  truncateCommand,
} from './disk-commands.ts';
import { helpCommand } from './help-command.ts';
import { abortCommand, quitCommand, sigraiseCommand, sleepCommand } from './host-commands.ts';
import { closeCommand, openCommand, reopenCommand } from './open-commands.ts';
import { aioReadCommand, readCommand, readvCommand } from './read-commands.ts';
import { aioWriteCommand, discardCommand, writeCommand, writevCommand } from './write-commands.ts';

const COMMANDS: readonly Command[] = [
  abortCommand,
  aioFlushCommand,
  aioReadCommand,
  aioWriteCommand,
  allocCommand,
  breakCommand,
  closeCommand,
  discardCommand,
  flushCommand,
  infoCommand,
  lengthCommand,
  mapCommand,
  openCommand,
  quitCommand,
  readCommand,
  readvCommand,
  removeBreakCommand,
  reopenCommand,
  resumeCommand,
  sigraiseCommand,
  sleepCommand,
  truncateCommand,
  waitBreakCommand,
  writeCommand,
  writevCommand,
];
const HELP = helpCommand(COMMANDS);

/** @param name as it was typed: the full name or the short one */
export function findCommand(name: string): Command | undefined {
  return [...COMMANDS, HELP].find((each) => each.name === name || each.alias === name);
}
