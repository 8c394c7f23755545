/** The command that explains the others. */
import { type Command, synopsisOf } from '../shell/command.ts';

/** @param commands all others, in the order in which they are listed */
export function helpCommand(commands: readonly Command[]): Command {
  const help: Command = {
    name: 'help',
    alias: '?',
    atLeast: 0,
    atMost: 1,
    synopsis: '[command]',
    summary: 'help for one or all commands',
    needsNoDisk: true,
    run({ console }, { operands }) {
      const all = [...commands, help].toSorted((one, other) => (one.name < other.name ? -1 : 1));
      const [name] = operands;
      if (name === undefined) {
        for (const each of all) console.out(synopsisOf(each, each.name));
        console.out("\nUse 'help commandname' for extended help.\n");
        return 'done';
      }
      const command = all.find((each) => each.name === name || each.alias === name);
      if (command === undefined) {
        console.out(`command ${name} not found\n`);
        return 'failed';
      }
      console.out(synopsisOf(command, name) + (command.help ?? ''));
      return 'done';
    },
  };
  return help;
}
