'use strict';

// The checks that need no server (`npm run check`) do not wait for one.
const servers = process.env.ENSEMBLE_TEST_SERVERS !== 'none';

module.exports = {
  testEnvironment: 'node',
  testMatch: ['<rootDir>/test/**/*.test.ts'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      { jsc: { target: 'es2022', parser: { syntax: 'typescript' } }, module: { type: 'commonjs' } },
    ],
  },
  modulePathIgnorePatterns: ['<rootDir>/lib/', '<rootDir>/\\.ensemble/'],
  setupFiles: ['<rootDir>/test/support/jest-suppressed-error.js'],
  maxWorkers: 2,
  testTimeout: 60_000,
  reporters: ['default', '<rootDir>/test/support/jest-reporter.js'],
  ...(servers && {
    globalSetup: '<rootDir>/test/support/jest-global-setup.js',
    globalTeardown: '<rootDir>/test/support/jest-global-teardown.js',
  }),
};
