import { retryAfter } from '../../src/llm/failures';
import { readableDetail } from '../../src/llm/redact';
import { TEST_KEY } from './subjects';

const NOW = Date.UTC(2026, 10, 22, 12, 0, 0);

test.each([
  [{ 'retry-after': '7' }, 7_000],
  [{ 'retry-after': '0.5' }, 500],
  [{ 'retry-after': 'Sun, 22 Nov 2026 12:00:30 GMT' }, 30_000],
  [{ 'retry-after': 'Sun, 22 Nov 2026 11:00:00 GMT' }, 0],
  [{ 'retry-after-ms': '1500', 'retry-after': '9' }, 1_500],
  [{ 'retry-after': '999999999' }, 86_400_000],
  [{ 'retry-after': 'soon' }, undefined],
  [{ 'retry-after': '-3' }, undefined],
  [{}, undefined],
])('reads %j', (headers, expected) => {
  expect(retryAfter(new Headers(headers as Record<string, string>), NOW)).toBe(expected);
});

test('a header of nonsense is no delay', () => {
  expect(retryAfter(undefined, NOW)).toBeUndefined();
  expect(retryAfter(new Headers({ 'retry-after-ms': 'x' }), NOW)).toBeUndefined();
});

describe('what a provider says', () => {
  const secrets = { keys: [TEST_KEY], prompt: ['My name is Ada and my garden has nine gates.', 'pin 4711'] };

  test.each([
    ['Unsupported parameter: temperature', 'Unsupported parameter: temperature'],
    ['two\nlines \u001b[31mand a colour\u0000', 'two lines [31mand a colour'],
    ['<html><body>no</body></html>', undefined],
    [`your key ${TEST_KEY} is wrong`, undefined],
    [`your key ...${TEST_KEY.slice(-10)} is wrong`, undefined],
    ['your key sk-abcdef******wxyz is wrong', 'your key [key] is wrong'],
    ['Authorization: Bearer abc.def', 'Authorization: [key]'],
    ['cannot handle "my garden has nine gates"', undefined],
    ['cannot handle pin 4711', undefined],
    ['', undefined],
  ])('%j becomes %j', (text, expected) => {
    expect(readableDetail(text, secrets)).toBe(expected);
  });

  test('is cut to a readable length', () => {
    expect(readableDetail('word '.repeat(1000), secrets)?.length).toBe(200);
  });
});
