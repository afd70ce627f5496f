import { readFileSync } from 'node:fs';
import { createApp } from '../../src/api/app';
import { createLogger } from '../../src/telemetry/log';

const readme = readFileSync('README.md', 'utf8');
const table = /<!-- client and routes: kept by test\/docs -->\n(.*?)<!--/s.exec(readme)?.[1] ?? '';

test('README tells of every method of the client', () => {
  const source = readFileSync('src/client/ensemble-client.ts', 'utf8');
  const body = /interface EnsembleClient[^{]*\{\n(.*?)\n\}/s.exec(source)?.[1] ?? '';
  const methods = new Set([...body.matchAll(/^ {2}(\w+)\(/gm)].map(([, name]) => name));
  expect(methods.size).toBeGreaterThan(10);
  const told = [...table.matchAll(/`(\w+)\(/g)].map(([, name]) => name);
  expect(new Set(told)).toEqual(methods);
});

test('README tells of every route', () => {
  const log = createLogger({ level: 'silent', format: 'json' });
  const { routes } = createApp({ client: {} as never, log, ready: () => Promise.resolve() });
  const known = new Set(
    routes.filter(({ method }) => method !== 'ALL').map(({ method, path }) => `${method} ${path}`),
  );
  const told = [...table.matchAll(/`((?:GET|POST|PUT|DELETE) [^`]+)`/g)].map(([, route]) => route);
  expect(new Set(told)).toEqual(known);
});
