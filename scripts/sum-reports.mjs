// Adds up vitest's JSON reports and prints the closing line of the gate. A report that is missing
// and a step that failed outside of a test count as failures: nothing may pass by not running.
import { readFileSync } from 'node:fs';

const [failedSteps, ...reports] = process.argv.slice(2);
let passed = 0;
let failed = 0;
let skipped = 0;
for (const path of reports) {
  try {
    const report = JSON.parse(readFileSync(path, 'utf8'));
    passed += report.numPassedTests;
    failed += report.numFailedTests;
    skipped += report.numPendingTests + report.numTodoTests;
  } catch (error) {
    console.log(`no report: ${path} (${error.code ?? error.message})`);
    failed += 1;
  }
}
if (failed === 0) failed += Number(failedSteps);
const tail = skipped === 0 ? '' : `, ${skipped} skipped`;
console.log(`${passed} passed, ${failed} failed${tail}`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
