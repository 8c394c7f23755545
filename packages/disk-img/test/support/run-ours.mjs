// Runs scenarios with our command within this process: starting one for each line takes far longer.
// Reads what to do as JSON from standard input, and writes the results there.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

globalThis.COMMAND_VERSION = 'test';
const [{ Program }, { runProgram }] = await Promise.all([
  import('../../dist/modules/program.js'),
  import('../../dist/modules/run-program.js'),
]);

const scenarios = JSON.parse(readFileSync(0, 'utf8'));
const results = [];
for (const { directory, steps } of scenarios) {
  process.chdir(directory);
  const ran = [];
  for (const { kind, line, words } of steps) {
    if (kind === 'prepare') prepare(line, directory);
    else ran.push(await run(words));
  }
  results.push(ran);
}
process.stdout.write(JSON.stringify(results));

function prepare(line, cwd) {
  const { status, stderr } = spawnSync('bash', ['-c', line], { cwd, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${line}: ${stderr}`);
}

async function run([name, ...args]) {
  let stdout = '';
  let stderr = '';
  const output = {
    isTerminal: false,
    text: (text) => void (stdout += Buffer.from(text).toString('latin1')),
    bytes: (bytes) => void (stdout += Buffer.from(bytes).toString('latin1')),
    flush: () => undefined,
  };
  const writeError = (text) => void (stderr += Buffer.from(text).toString('latin1'));
  try {
    const code = await runProgram(new Program(name, { output, writeError }), args);
    return { code, stdout, stderr };
  } catch (error) {
    return { code: -1, stdout, stderr: stderr + error.stack };
  }
}
