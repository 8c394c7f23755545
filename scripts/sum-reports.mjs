// Adds up vitest's JSON reports, names the tests that failed, and prints the closing line of the
// gate. A report that is missing, and a step that failed outside of a test, count as failures:
// nothing may pass by not running.
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
    for (const line of failuresIn(report)) console.log(`${path}: ${line}`);
  } catch (error) {
    console.log(`no report: ${path} (${error.code ?? error.message})`);
    failed += 1;
  }
}
if (failed === 0) failed += Number(failedSteps);
if (failedSteps !== '0') console.log(`${failedSteps} steps failed; they are marked FAILED above`);
const tail = skipped === 0 ? '' : `, ${skipped} skipped`;
console.log(`${passed} passed, ${failed} failed${tail}`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;

/** Each failed test with the first line of what it said; files that failed to load as well. */
function failuresIn({ testResults }) {
  return testResults.flatMap(({ name, status, message, assertionResults }) => {
    const failures = assertionResults.filter((each) => each.status === 'failed');
    if (failures.length === 0) return status === 'failed' ? [`${name}: ${firstLine(message)}`] : [];
    return failures.map(
      ({ fullName, failureMessages }) => `${name}: ${fullName}: ${firstLine(failureMessages[0])}`,
    );
  });
}

function firstLine(text = '') {
  return text.split('\n', 1)[0];
}
