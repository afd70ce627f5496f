import { readFileSync, writeFileSync } from 'node:fs';
import { loadConfig } from '../../src/config';
import { configTable, envExample } from '../support/config-docs';

const BEGIN = '<!-- configuration: kept by test/docs -->';
const END = '<!-- end of configuration -->';

/** `UPDATE_DOCS=1 npm test -- test/docs` writes what these tests compare. */
const update = process.env['UPDATE_DOCS'] === '1';

test('the table in README is the configuration module', () => {
  const readme = readFileSync('README.md', 'utf8');
  const start = readme.indexOf(BEGIN) + BEGIN.length;
  const end = readme.indexOf(END);
  if (update)
    writeFileSync('README.md', `${readme.slice(0, start)}\n\n${configTable()}\n\n${readme.slice(end)}`);
  else expect(readme.slice(start, end).trim()).toBe(configTable());
});

test('.env.example is the configuration module', () => {
  if (update) writeFileSync('.env.example', envExample());
  else expect(readFileSync('.env.example', 'utf8')).toBe(envExample());
});

test('everything has a default, and every problem is reported at once without repeating a value', () => {
  expect(loadConfig({}).DATABASE_POOL_SIZE).toBe(10);
  expect(() =>
    loadConfig({
      DATABASE_POOL_SIZE: 'many',
      DATABASE_URL: 'mysql://u:secret@h/d',
      ENSEMBLE_LOG_LEVEL: 'loud',
    }),
  ).toThrow(/DATABASE_URL must be .*; DATABASE_POOL_SIZE must be a whole number.*; ENSEMBLE_LOG_LEVEL/s);
  expect(() => loadConfig({ DATABASE_URL: 'mysql://u:secret@h/d' })).toThrow(/^(?!.*secret).*$/s);
});
