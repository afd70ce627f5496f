'use strict';
const fs = require('node:fs');

/** Counts the whole suite in one line; a file that could not be run counts as a failure. */
class SummaryReporter {
  // A title that is skipped carries its reason; a reason that nobody reads is none.
  onTestResult(_test, { testResults }) {
    for (const { status, fullName } of testResults)
      if (status === 'pending' || status === 'todo') process.stderr.write(`skipped  ${fullName}\n`);
  }

  onRunComplete(_contexts, results) {
    const summary = {
      passed: results.numPassedTests,
      failed: results.numFailedTests + results.numRuntimeErrorTestSuites,
      skipped: results.numPendingTests + results.numTodoTests,
    };
    const file = process.env.ENSEMBLE_TEST_SUMMARY;
    if (file !== undefined) fs.writeFileSync(file, JSON.stringify(summary));
  }
}

module.exports = SummaryReporter;
