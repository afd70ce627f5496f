import type { LookupAddress } from 'node:dns';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { agentState } from '../../src/agents/testing';
import { reachOf } from '../../src/agents/tools/http/addresses';
import { type Resolve, resolveBySystem } from '../../src/agents/tools/http/guard';
import { httpFetch, httpFetchWith } from '../../src/agents/tools/http/http-fetch';
import { httpSendWith } from '../../src/agents/tools/http/http-send';
import { callTool, type Tool } from '../../src/agents/tools/tool';
import type { Json, JsonObject } from '../../src/protocol/json';
import { aTask, fakeContext } from './fake-context';

/** Counts what reaches it; nothing that is refused may. */
let server: Server;
let port: number;
const hits: { method: string | undefined; url: string | undefined; headers: IncomingMessage['headers'] }[] =
  [];

beforeAll(async () => {
  server = createServer((request, response) => {
    hits.push({ method: request.method, url: request.url, headers: request.headers });
    if (request.url === '/moved') response.writeHead(302, { location: '/secret' }).end();
    else if (request.url === '/image') response.writeHead(200, { 'content-type': 'image/png' }).end('PNG');
    else if (request.url === '/packed') response.writeHead(200, { 'content-encoding': 'gzip' }).end('??');
    else if (request.url === '/long')
      response.writeHead(200, { 'content-type': 'text/plain' }).end('x'.repeat(2 ** 20));
    else if (request.url === '/hangs-up') request.socket.destroy();
    else response.writeHead(200, { 'content-type': 'application/json' }).end('{"secret":"canary"}');
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  port = (server.address() as AddressInfo).port;
});
afterAll(() => new Promise((closed) => server.close(closed)));
beforeEach(() => void hits.splice(0));

const at = (...addresses: string[]): Resolve =>
  jest.fn(() =>
    Promise.resolve(addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))),
  );

async function use(tool: Tool, given: Json, allowHosts?: string[]) {
  const host = allowHosts === undefined ? {} : { allowHosts };
  const { context } = fakeContext({ host });
  const { text, failed } = await callTool(
    [tool],
    { call: { id: 'a', name: tool.name, arguments: given }, step: '1.1' },
    { task: aTask(), context },
  );
  return { text, failed };
}

const read = (text: string): JsonObject => JSON.parse(text) as JsonObject;

describe('the guard', () => {
  test.each([
    'http://127.0.0.1',
    'http://127.1',
    'http://127.0.1',
    'http://2130706433',
    'http://0x7f000001',
    'http://0x7f.1',
    'http://0177.0.0.1',
    'http://017700000001',
    'http://127.0.0.1.',
    'http://127.255.255.254',
    'http://%31%32%37.0.0.1',
    'http://\uff11\uff12\uff17.0.0.1',
    'http://\u2460\u2461\u2466.0.0.1',
    'http:\\\\127.0.0.1',
    'http://0',
    'http://0.0.0.0',
    'http://[::1]',
    'http://[0:0:0:0:0:0:0:1]',
    'http://[::]',
    'http://[::ffff:127.0.0.1]',
    'http://[::ffff:7f00:1]',
    'http://[::127.0.0.1]',
    'http://[64:ff9b::127.0.0.1]',
    'http://[64:ff9b:1::127.0.0.1]',
    'http://[2002:7f00:1::]',
    'http://localhost',
    'http://localhost.',
    'http://LOCALHOST',
    'http://inner.localhost',
  ])('refuses loopback spelt %s', async (base) => {
    const url = `${base}:${port}/`;
    const { text, failed } = await use(httpFetch, { url });
    expect({ text, failed }).toEqual({
      text: expect.stringMatching(/is at an address that tools may not call$/),
      failed: true,
    });
    expect(hits).toEqual([]);
  });

  test.each([
    '10.0.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '100.64.0.1',
    '198.18.0.1',
    '169.254.169.254',
    '100.100.100.200',
    '168.63.129.16',
    '224.0.0.1',
    '255.255.255.255',
    '0.1.2.3',
    '192.0.2.1',
    'fe80::1',
    'fe80::1%eth0',
    'fd00:ec2::254',
    'fc00::1',
    'ff02::1',
    '::ffff:10.0.0.1',
    '::ffff:8.8.8.8',
    '64:ff9b::808:808',
    '2001::1',
    '4000::1',
    'not an address',
  ])('keeps tools from %s, as a literal and as what a name resolves to', async (address) => {
    expect(reachOf(address)).not.toBe('public');
    const { text, failed } = await use(httpFetchWith(at(address)), { url: 'http://innocent.example/' });
    expect({ text, failed }).toMatchObject({ text: expect.stringContaining('may not call'), failed: true });
  });

  test.each(['8.8.8.8', '1.1.1.1', '2606:4700:4700::1111', '172.32.0.1', '100.128.0.1'])(
    'lets %s be',
    (address) => {
      expect(reachOf(address)).toBe('public');
    },
  );

  test('refuses a host as a whole where one of its addresses is private', async () => {
    const { text } = await use(httpFetchWith(at('8.8.8.8', '127.0.0.1')), {
      url: `http://both.example:${port}/`,
    });
    expect(text).toContain('both.example is at an address that tools may not call');
    expect(hits).toEqual([]);
  });

  test('checks the very addresses that it connects to: a name that resolves otherwise the next time gains nothing', async () => {
    // The server of the first answer is never reached: what was looked up for the check is what is connected to.
    const answers = ['127.0.0.1', '169.254.169.254'];
    const rebinding = jest.fn((): Promise<LookupAddress[]> =>
      Promise.resolve([{ address: answers.shift() ?? '::1', family: 4 }]),
    );
    const fetch = httpFetchWith(rebinding);
    const url = `http://rebind.example:${port}/`;
    expect((await use(fetch, { url })).failed).toBe(true);
    expect(rebinding).toHaveBeenCalledTimes(1);
    expect((await use(fetch, { url })).failed).toBe(true);
    expect(rebinding).toHaveBeenCalledTimes(2);
    expect(hits).toEqual([]);
    const once = at('127.0.0.1');
    const opened = await use(httpFetchWith(once), { url }, [`rebind.example:${port}`]);
    expect(read(opened.text)).toMatchObject({ status: 200 });
    expect(once).toHaveBeenCalledTimes(1);
  });

  test.each([
    ['file:///etc/passwd', 'only http: and https:'],
    ['gopher://127.0.0.1/', 'only http: and https:'],
    ['ftp://example.com/', 'only http: and https:'],
    ['//example.com/', 'not a whole URL'],
    ['http://me:secret@example.com/', 'must not carry a user name'],
    [`http://example.com/${'x'.repeat(4_000)}`, 'at most 4000 characters'],
  ])('refuses %s', async (url, why) => {
    expect(await use(httpFetch, { url })).toEqual({ text: expect.stringContaining(why), failed: true });
  });

  test('takes the host that stands behind a user name, and refuses it for what it is', async () => {
    const { text } = await use(httpFetch, { url: `http://example.com@127.0.0.1:${port}/` });
    expect(text).toContain('user name');
    expect(hits).toEqual([]);
  });
});

describe('the allow-list', () => {
  const lists: [string, string[], string, boolean][] = [
    ['a host named with its port', ['inside.example:PORT'], 'inside.example', true],
    ['a host named without one', ['Inside.Example'], 'inside.example.', true],
    ['another port', ['inside.example:1'], 'inside.example', false],
    ['a wildcard does not open what is private', ['*.example', '*'], 'inside.example', false],
    ['a host that is not listed', ['other.example'], 'inside.example', false],
    ['an address named in full', ['127.0.0.1:PORT'], '127.0.0.1', true],
    ['an address in another spelling', ['127.0.0.1:PORT'], '0x7f.1', true],
    ['nothing', [], 'inside.example', false],
  ];
  test.each(lists)('%s', async (_, list, host, opened) => {
    const entries = list.map((entry) => entry.replace('PORT', String(port)));
    const { failed } = await use(httpFetchWith(at('127.0.0.1')), { url: `http://${host}:${port}/` }, entries);
    expect({ opened: !failed, hits: hits.length }).toEqual({ opened, hits: opened ? 1 : 0 });
  });

  test('never opens the metadata services of clouds', async () => {
    const { text } = await use(httpFetch, { url: 'http://169.254.169.254/latest' }, ['169.254.169.254']);
    expect(text).toContain('may not call');
  });
});

describe('http-fetch', () => {
  const fetch = (path: string, more: JsonObject = {}) =>
    use(httpFetch, { url: `http://127.0.0.1:${port}${path}`, ...more }, [`127.0.0.1:${port}`]);

  test('brings status, media type and text', async () => {
    const { text, failed } = await fetch('/', { accept: 'application/json' });
    expect({ ...read(text), failed }).toEqual({
      status: 200,
      mediaType: 'application/json',
      body: '{"secret":"canary"}',
      failed: false,
    });
    expect(hits[0]).toMatchObject({ method: 'GET', headers: { accept: 'application/json' } });
  });

  test('follows no redirect, and says where it leads', async () => {
    const { text } = await fetch('/moved');
    expect(read(text)).toMatchObject({ status: 302, location: '/secret' });
    expect(hits.map(({ url }) => url)).toEqual(['/moved']);
  });

  test.each([
    ['/image', { body: null, note: expect.stringContaining('image/png is not text') }],
    ['/packed', { body: '', cut: true }],
    ['/moved', { status: 302 }],
  ])('%s is told, not shown', async (path, told) => {
    expect(read((await fetch(path)).text)).toMatchObject(told);
  });

  test('cuts a long body at its bound', async () => {
    const outcome = await httpFetch.bind({ url: `http://127.0.0.1:${port}/long` }).run({
      task: aTask(),
      context: fakeContext({ host: { allowHosts: ['127.0.0.1'] } }).context,
      signal: new AbortController().signal,
      idempotencyKey: 'k',
    });
    expect(outcome).toMatchObject({ cut: true, body: 'x'.repeat(256 * 1024) });
  });

  test.each(['POST', 'DELETE', 'get'])('does not take the method %s', async (method) => {
    expect((await fetch('/', { method })).failed).toBe(true);
    expect(hits).toEqual([]);
  });

  test('tells the model of a host that cannot be reached, without its address', async () => {
    const refused = await use(httpFetchWith(at('127.0.0.1')), { url: 'http://down.example:1/' }, [
      'down.example',
    ]);
    expect(refused).toEqual({ text: 'down.example:1 could not be read: ECONNREFUSED', failed: true });
    expect(await fetch('/hangs-up')).toMatchObject({ failed: true });
  });

  test('ends with its agent', async () => {
    const reason = new Error('cancelled');
    const { context } = fakeContext({ signal: AbortSignal.abort(reason) });
    const call = { id: 'a', name: 'http-fetch', arguments: { url: 'http://example.com/' } };
    await expect(callTool([httpFetch], { call, step: '1.1' }, { task: aTask(), context })).rejects.toBe(
      reason,
    );
  });
});

describe('http-send', () => {
  const send = (kind: 'dangerous' | 'idempotent', path: string, state = agentState()) => {
    const tool = httpSendWith(resolveBySystem, kind);
    const { context } = fakeContext({ host: { allowHosts: ['127.0.0.1'] }, state });
    const given = { url: `http://127.0.0.1:${port}${path}`, method: 'POST', json: { item: 7 } };
    return callTool(
      [tool],
      { call: { id: 'a', name: tool.name, arguments: given }, step: '1.1' },
      { task: aTask(), context },
    );
  };

  test('sends once: a later attempt is told what came back', async () => {
    const state = agentState();
    const [first, again] = [await send('dangerous', '/', state), await send('dangerous', '/', state)];
    expect(again).toEqual(first);
    expect(hits).toHaveLength(1);
    expect(hits[0]).toMatchObject({ method: 'POST', headers: { 'content-type': 'application/json' } });
    expect(hits[0]?.headers['idempotency-key']).toBeUndefined();
  });

  test('a lost answer leaves a dangerous call open, and nobody makes it again', async () => {
    const state = agentState();
    await expect(send('dangerous', '/hangs-up', state)).rejects.toMatchObject({ code: 'AGENT_FAILED' });
    await expect(send('dangerous', '/hangs-up', state)).rejects.toMatchObject({
      code: 'TOOL_OUTCOME_UNKNOWN',
    });
    expect(hits).toHaveLength(1);
  });

  test('a lost answer of an idempotent call is asked for again, with the same key', async () => {
    const state = agentState();
    for (const _ of [1, 2])
      await expect(send('idempotent', '/hangs-up', state)).rejects.toMatchObject({ code: 'AGENT_FAILED' });
    const keys = hits.map(({ headers }) => headers['idempotency-key']);
    expect(keys).toEqual([expect.stringMatching(/^[0-9a-f]{64}$/), keys[0]]);
  });

  test('what was refused or never connected is an outcome, not an open call', async () => {
    const tool = httpSendWith(resolveBySystem, 'dangerous');
    const state = agentState();
    for (const url of [`http://127.0.0.1:${port}/`, 'http://[::1]:1/']) {
      const { context } = fakeContext({ state, host: { allowHosts: ['[::1]'] } });
      const call = { id: 'a', name: tool.name, arguments: { url, method: 'POST' } };
      expect(await callTool([tool], { call, step: '1.1' }, { task: aTask(), context })).toMatchObject({
        failed: true,
      });
    }
    expect([...state.ledger.values()].filter(({ outcome }) => outcome === undefined)).toEqual([]);
    expect(hits).toEqual([]);
  });
});
