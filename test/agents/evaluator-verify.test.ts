import { createHash } from 'node:crypto';
import { Evaluator } from '../../src/agents/built-in/evaluator';
import { Verification } from '../../src/agents/tools/verify/verify';
import type { AgentContext } from '../../src/agents/base-agent';
import type { Json } from '../../src/protocol/json';
import { scriptedModel } from '../support/scripted-model';
import { aTask, fakeContext } from './fake-context';

const CONTRACT = { price: 4200, parties: ['Meier', 'Widmer'], 'a/b': { '~': null } };
const bytes = Buffer.from(JSON.stringify(CONTRACT));
const ref = {
  blob: createHash('sha256').update(bytes).digest('hex'),
  bytes: bytes.length,
  mediaType: 'application/json',
};
const input = { documents: { contract: ref, offer: { price: 4000 } } };
const documents = { contract: '/documents/contract', offer: '/documents/offer' };

/** A context whose only blob is the contract, and whose model fails when it is asked anything. */
function contextWith(content: Uint8Array = bytes): AgentContext {
  const { context } = fakeContext({ model: scriptedModel() });
  return { ...context, blobs: { read: () => Promise.resolve(content) } };
}

async function verify(
  findings: readonly Json[],
  options: Json = { verify: { documents } },
): Promise<Verification> {
  const task = aTask({
    input,
    options,
    previous: { lawyer: { findings, omitted: 2 }, clerk: { text: 'none' } },
  });
  return Verification.parse(await new Evaluator().execute(task, contextWith()));
}

const finding = (...evidence: Json[]): Json => ({ id: 'f', claim: 'So it is.', evidence });

test('findings whose evidence holds are handed on, in any document, by blob or in the input', async () => {
  const standing = [
    finding({ file: 'contract', pointer: '/price', value: 4200 }),
    finding({ file: 'contract', pointer: '/parties', value: ['Meier', 'Widmer'] }),
    finding({ file: 'contract', pointer: '/a~1b/~0', value: null }),
    finding(
      { file: 'contract', pointer: '/penalty', absent: true },
      { file: 'offer', pointer: '/price', value: 4000 },
    ),
    finding({ file: 'offer', pointer: '', value: { price: 4000 } }),
  ];
  expect(await verify(standing)).toEqual({
    verdict: 'pass',
    score: 1,
    text: 'pass: all of 5 findings stand',
    checked: 5,
    struck: [],
    struckUnlisted: 0,
    reports: { lawyer: { findings: standing, omitted: 2 } },
  });
});

test.each<[Json, object]>([
  [
    { file: 'contract', pointer: '/price', value: 4201 },
    { reason: 'another value stands there', expected: { value: 4201 }, found: { value: 4200 } },
  ],
  [{ file: 'contract', pointer: '/price', value: '4200' }, { reason: 'another value stands there' }],
  [
    { file: 'contract', pointer: '/parties', value: ['Widmer', 'Meier'] },
    { reason: 'another value stands there' },
  ],
  [
    { file: 'contract', pointer: '/parties', value: { 0: 'Meier', 1: 'Widmer' } },
    { found: { value: ['Meier', 'Widmer'] } },
  ],
  [
    { file: 'contract', pointer: '/parties/2', value: 'Huber' },
    { reason: 'nothing stands there', found: { absent: true } },
  ],
  [{ file: 'contract', pointer: '/constructor', value: {} }, { reason: 'nothing stands there' }],
  [
    { file: 'contract', pointer: '/a~1b/~0', absent: true },
    { found: { value: null }, expected: { absent: true } },
  ],
  [{ file: 'letter', pointer: '/price', absent: true }, { reason: 'there is no document letter to cite' }],
])('evidence that does not hold is struck: %j', async (evidence, expected) => {
  const good = { file: 'offer', pointer: '/price', value: 4000 };
  const output = await verify([finding(good), finding(good, evidence)]);
  const { file, pointer } = evidence as { readonly file: string; readonly pointer: string };
  expect(output).toMatchObject({ verdict: 'fail', score: 0.5, checked: 2 });
  expect(output.struck).toMatchObject([
    { id: 'f', agent: 'lawyer', claim: 'So it is.', file, pointer, ...expected },
  ]);
  expect(output.reports['lawyer']?.findings).toEqual([finding(good)]);
  expect(output.text).toContain(`- f of lawyer: ${output.struck[0]?.reason} (${file} ${pointer})`);
});

test('what cites nothing, or both a value and its absence, is no finding', async () => {
  const odd = [
    finding(),
    finding({ file: 'offer', pointer: '/price', value: 1, absent: true }),
    { id: 'g' },
    'text',
  ];
  const { struck } = await verify(odd);
  expect(struck.map(({ reason }) => reason)).toEqual(
    odd.map(() => expect.stringMatching(/^it is no finding, /)),
  );
  expect(struck.map(({ file, pointer }) => [file, pointer])).toEqual(odd.map(() => ['contract', '']));
});

test('only the agents asked for are looked at, and none at all is no failure', async () => {
  const options = { verify: { documents, agents: ['clerk', 'nobody'] } };
  expect(await verify([finding()], options)).toMatchObject({
    verdict: 'pass',
    score: null,
    checked: 0,
    reports: {},
  });
});

test('a document that is no JSON ends the turn, by its name', async () => {
  const task = aTask({ input, options: { verify: { documents } }, previous: { lawyer: { findings: [] } } });
  await expect(new Evaluator().execute(task, contextWith(Buffer.from('{')))).rejects.toMatchObject({
    code: 'INPUT_UNREADABLE',
    message: expect.stringMatching(/^contract: not JSON/),
  });
});

test.each<[Json, RegExp]>([
  [{ verify: {} }, /either documents or facts/],
  [{ verify: { documents, facts: 'dependency-gate' } }, /either documents or facts/],
  [{ verify: { documents }, compare: true }, /only one of compare, verify and judge/],
  [{ verify: { documents: { contract: 'price' } } }, /must be a JSON pointer/],
])('options that contradict themselves are refused: %j', async (options, message) => {
  await expect(verify([], options)).rejects.toThrow(message);
});
