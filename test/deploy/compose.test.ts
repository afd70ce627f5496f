import { existsSync, readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { VARIABLES } from '../../src/config';
import { ALLOCATOR } from '../../src/cli/allocator';

interface Service {
  readonly image?: string;
  readonly build?: string;
  readonly depends_on?: Record<string, { readonly condition: string }>;
  readonly environment?: Record<string, string>;
  readonly command?: readonly string[];
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
}

const compose = parse(readFileSync('docker-compose.yml', 'utf8'), { merge: true }) as {
  readonly services: Record<string, Service>;
};
const services = Object.entries(compose.services);

test('the compose file has every part, and each waits for what it needs', () => {
  expect(Object.keys(compose.services).toSorted()).toEqual([
    'migrate',
    'postgresql',
    'server',
    'temporal',
    'temporal-namespace',
    'temporal-schema',
    'temporal-ui',
    'worker',
  ]);
  for (const [, { depends_on = {} }] of services)
    for (const name of Object.keys(depends_on)) expect(compose.services).toHaveProperty(name);
  for (const name of ['worker', 'server'])
    expect(compose.services[name]?.depends_on?.['migrate']?.condition).toBe('service_completed_successfully');
});

test('images are pinned and none is the deprecated auto-setup', () => {
  const images = services.flatMap(([, { image }]) => (image === undefined ? [] : [image]));
  for (const image of images) expect(image).toMatch(/:\d+(\.\d+)*$/);
  expect(images.filter((image) => image.includes('auto-setup'))).toEqual([]);
});

test('our containers are given only variables that we read, and no secret is written down', () => {
  const ours = services.filter(([, { build }]) => build !== undefined);
  expect(ours).toHaveLength(3);
  for (const [, { environment = {} }] of ours)
    expect(
      Object.keys(environment).filter((name) => !(name in VARIABLES) && !name.startsWith('TEMPORAL_')),
    ).toEqual([]);
  const secrets = /(PASSWORD|TOKEN|KEY|PWD)/;
  for (const [, { environment = {} }] of services)
    for (const [name, value] of Object.entries(environment))
      if (secrets.test(name)) expect(value).toMatch(/^\$\{/);
});

test('only the one-shot migration knows the migrating role', () => {
  const knowing = services.filter(([, { environment = {} }]) => 'DATABASE_ADMIN_URL' in environment);
  expect(knowing.map(([name]) => name)).toEqual(['migrate']);
});

test('nothing is published beyond this machine, and mounted files exist', () => {
  for (const [, { ports = [] }] of services) for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:/);
  const mounts = services.flatMap(([, { volumes = [] }]) =>
    volumes.filter((volume) => volume.startsWith('./')),
  );
  for (const mount of mounts) expect(existsSync(mount.split(':', 1)[0] ?? '')).toBe(true);
  for (const script of ['schema.sh', 'namespace.sh'])
    expect(existsSync(`deploy/temporal/${script}`)).toBe(true);
  parse(readFileSync('deploy/temporal/dynamic-config.yaml', 'utf8'));
});

test('commands start entry points that the build makes', () => {
  const commands = services.flatMap(([, { command = [] }]) =>
    command.filter((word) => word.startsWith('lib/')),
  );
  const sources = commands.map((file) => file.replace(/^lib\//, '').replace(/\.js$/, '.ts'));
  for (const source of sources) expect(existsSync(source)).toBe(true);
  expect(commands).toContain('lib/worker.js');
});

test('the Dockerfile builds on Debian, from the lock file, and does not run as root', () => {
  const instructions = readFileSync('Dockerfile', 'utf8')
    .split('\n')
    .filter((line) => /^[A-Z]+ /.test(line))
    .map((line) => [line.slice(0, line.indexOf(' ')), line.slice(line.indexOf(' ') + 1)] as const);
  const known = new Set(['FROM', 'WORKDIR', 'COPY', 'RUN', 'ENV', 'USER', 'CMD']);
  expect(instructions.filter(([name]) => !known.has(name))).toEqual([]);
  const bases = instructions.filter(([name]) => name === 'FROM').map(([, rest]) => rest);
  for (const base of bases) expect(base).toMatch(/bookworm/);
  expect(instructions).toContainEqual(['RUN', 'npm ci']);
  expect(instructions.findLast(([name]) => name === 'USER')?.[1]).toBe('node');
  const variables = instructions.findLast(([name]) => name === 'ENV')?.[1].split(' ');
  const allocator = Object.entries(ALLOCATOR).map((pair) => pair.join('='));
  expect(variables).toEqual(expect.arrayContaining(allocator));
});
