// Mocha's spec reporter, and the sums for who adds up several runs: as JSON in the file of the reporter option `file`, and
// as a line `LAB-SUM NAME PASSED FAILED SKIPPED` with the option `name`.
'use strict';
const fs = require('node:fs');
const Mocha = require('mocha');

module.exports = class SummingReporter extends Mocha.reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    const { file, name } = options.reporterOption ?? options.reporterOptions ?? {};
    runner.once('end', () => {
      const { passes, failures, pending } = this.stats;
      if (name !== undefined) process.stdout.write(`LAB-SUM ${name} ${passes} ${failures} ${pending}\n`);
      if (file !== undefined) fs.writeFileSync(file, JSON.stringify({ passes, failures, pending }));
    });
  }
};
