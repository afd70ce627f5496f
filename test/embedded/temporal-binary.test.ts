import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  cachedTemporal,
  findTemporal,
  type TemporalBinaryOptions,
} from '../../src/runtime/embedded/temporal-binary';

const NOWHERE = 'http://127.0.0.1:9/cli/archive';
const A_SERVER = 'echo "temporal version 1.5.1 (Server 1.29.1, UI 2.42.1)"';

/** A machine as far as finding the CLI sees it: a PATH and a cache, both empty. */
function aMachine() {
  const root = mkdtempSync(join(tmpdir(), 'ensemble-binary-'));
  const [bin, cacheDir] = [join(root, 'bin'), join(root, 'cache')];
  mkdirSync(bin);
  const said: string[] = [];
  const environment = { PATH: `${bin}:/usr/bin:/bin`, HOME: root };
  const options: TemporalBinaryOptions = {
    cacheDir,
    environment,
    announce: (line) => void said.push(line),
    downloads: NOWHERE,
  };
  const program = (name: string, script: string, folder = bin): string => {
    const path = join(folder, name);
    writeFileSync(path, `#!/bin/sh\n${script}\n`);
    chmodSync(path, 0o755);
    return path;
  };
  const remove = (): void => rmSync(root, { recursive: true, force: true });
  return { root, said, options, program, [Symbol.dispose]: remove };
}

async function aDownloadServer(archive: Buffer | null) {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(String(request.url));
    response.writeHead(archive === null ? 404 : 200).end(archive);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const close = (): void => void server.close();
  return { asked, downloads: `http://127.0.0.1:${port}/cli/archive`, [Symbol.dispose]: close };
}

test('the CLI on the PATH comes first, when its server is recent enough', async () => {
  using machine = aMachine();
  const binary = machine.program('temporal', A_SERVER);
  expect(await findTemporal(machine.options)).toBe(binary);
});

test('a CLI that is too old is passed over and named; the cached one serves', async () => {
  using machine = aMachine();
  const old = machine.program('temporal', 'echo "temporal version 0.11.0 (Server 1.22.4, UI 2.18)"');
  const cached = cachedTemporal(machine.options.cacheDir);
  mkdirSync(join(cached, '..'), { recursive: true });
  machine.program('temporal', A_SERVER, join(cached, '..'));
  expect(await findTemporal(machine.options)).toBe(cached);
  expect(machine.said.join('\n')).toContain(`${old} holds server 1.22.4; 1.29 or later is needed`);
});

test('the official release is downloaded for this platform and kept in the cache', async () => {
  using machine = aMachine();
  const folder = join(machine.root, 'release');
  mkdirSync(folder);
  machine.program('temporal', A_SERVER, folder);
  using server = await aDownloadServer(execFileSync('tar', ['-czf', '-', '-C', folder, 'temporal']));
  const options = { ...machine.options, downloads: server.downloads };
  expect(await findTemporal(options)).toBe(cachedTemporal(options.cacheDir));
  expect(await findTemporal(options)).toBe(cachedTemporal(options.cacheDir));
  expect(server.asked).toEqual([
    expect.stringMatching(/^\/cli\/archive\/v1\.5\.1\?platform=\w+&arch=(amd64|arm64)$/),
  ]);
});

test('without a download it is built with Go, and of two starts at once only one builds', async () => {
  using machine = aMachine();
  const log = join(machine.root, 'built.log');
  const result = `printf '#!/bin/sh\\necho temporal\\n' > "$GOBIN/temporal"; chmod +x "$GOBIN/temporal"`;
  machine.program('go', `echo "$@" >> ${log}; sleep 1; ${result}`);
  using server = await aDownloadServer(null);
  const options = { ...machine.options, downloads: server.downloads };
  const cached = cachedTemporal(options.cacheDir);
  expect(await Promise.all([findTemporal(options), findTemporal(options)])).toEqual([cached, cached]);
  expect(readFileSync(log, 'utf8')).toBe('install github.com/temporalio/cli/cmd/temporal@v1.5.1\n');
  const said = machine.said.join('\n');
  expect(said).toContain('no download: the server answered 404');
  expect(said).toMatch(/waiting for pid \d+, which is getting the Temporal CLI/);
});

test('where nothing helps the error says what to do', async () => {
  using machine = aMachine();
  machine.program('go', 'echo "no network" >&2; exit 1');
  await expect(findTemporal(machine.options)).rejects.toMatchObject({
    code: 'TEMPORAL_UNAVAILABLE',
    message: expect.stringMatching(
      /no network.*Put the temporal CLI on the PATH, or install Go.*or set TEMPORAL_ADDRESS/,
    ),
  });
  expect(existsSync(cachedTemporal(machine.options.cacheDir))).toBe(false);
});

test('a build that is interrupted stops its compiler', async () => {
  using machine = aMachine();
  const pidFile = join(machine.root, 'go.pid');
  machine.program('go', `echo $$ > ${pidFile}; exec sleep 300`);
  const abort = new AbortController();
  const finding = findTemporal({ ...machine.options, signal: abort.signal });
  const timer = setInterval(() => existsSync(pidFile) && abort.abort(), 50);
  await expect(finding).rejects.toThrow(/abort/i);
  clearInterval(timer);
  expect(() => process.kill(Number(readFileSync(pidFile, 'utf8')), 0)).toThrow('ESRCH');
});
