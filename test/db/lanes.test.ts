import { setTimeout as sleep } from 'node:timers/promises';
import { Lanes } from '../../src/db/lanes';

test('two of one key are under way at a time, the others wait in their order, and other keys do not', async () => {
  const lanes = new Lanes(2);
  const began: string[] = [];
  let most = 0;
  let running = 0;
  const work = (name: string) => async () => {
    began.push(name);
    running += 1;
    most = Math.max(most, running);
    await sleep(5);
    running -= 1;
    return name;
  };
  const names = ['a', 'b', 'c', 'd', 'e'];
  const ofOneKey = Promise.all(names.map((name) => lanes.run('key', work(name))));
  const another = lanes.run('other', () => Promise.resolve(began.length));
  await expect(another).resolves.toBe(2);
  await expect(ofOneKey).resolves.toEqual(names);
  expect(began).toEqual(names);
  expect(most).toBe(2);
});

test('work that fails makes room like any other', async () => {
  const lanes = new Lanes(1);
  const fails = lanes.run('key', () => Promise.reject(new Error('broken')));
  const next = lanes.run('key', () => Promise.resolve('done'));
  await expect(fails).rejects.toThrow('broken');
  await expect(next).resolves.toBe('done');
});
