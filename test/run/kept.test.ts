import { kept } from '../../src/activities/kept';
import { AppError } from '../../src/protocol/failures';

const away = () => new AppError('DATABASE_UNAVAILABLE', 'gone');

function waiting() {
  const controller = new AbortController();
  const beats: number[] = [];
  return { controller, beats, signal: controller.signal, heartbeat: () => void beats.push(beats.length) };
}

/** Fails as often as there are errors, then answers. */
function failing(...errors: Error[]) {
  const left = [...errors];
  return jest.fn(() => {
    const error = left.shift();
    return error === undefined ? Promise.resolve('kept') : Promise.reject(error);
  });
}

test('what PostgreSQL is away for is written when it is back, and its attempt is reported alive meanwhile', async () => {
  const one = waiting();
  const write = failing(away(), away());
  await expect(kept(one, write)).resolves.toBe('kept');
  expect(write).toHaveBeenCalledTimes(3);
  expect(one.beats).toHaveLength(2);
});

test('what waiting does not help fails at once', async () => {
  const error = new AppError('INPUT_TOO_LARGE', 'too large');
  const write = failing(error);
  await expect(kept(waiting(), write)).rejects.toBe(error);
  expect(write).toHaveBeenCalledTimes(1);
});

test('a PostgreSQL that stays away is given up with its last failure', async () => {
  const errors = Array.from({ length: 50 }, away);
  const write = failing(...errors);
  const failure: unknown = await kept(waiting(), write, 300).catch((error: unknown) => error);
  // 0, 50, 150 ms after the beginning: the next one would be later than 300.
  expect([2, 3]).toContain(write.mock.calls.length);
  expect(failure).toBe(errors[write.mock.calls.length - 1]);
});

test('who is to stop waits no longer', async () => {
  const one = waiting();
  const write = jest.fn(() => {
    if (write.mock.calls.length === 4) setTimeout(() => one.controller.abort(), 10);
    return Promise.reject(away());
  });
  const since = performance.now();
  await expect(kept(one, write)).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
  // A last time, since the stop may be for long.
  expect(write).toHaveBeenCalledTimes(5);
  expect(performance.now() - since).toBeLessThan(5_000);
});
