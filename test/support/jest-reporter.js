'use strict';
const fs = require('node:fs');

/** Counts the whole suite in one line; a file that could not be run counts as a failure. */
class SummaryReporter {
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
